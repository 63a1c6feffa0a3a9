import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import './index.css';
import { App } from './app';
import { paintBrand } from './lib/theme';

paintBrand(document.querySelector<HTMLMetaElement>('meta[name=brand-color]')?.content);
createRoot(document.getElementById('root')!).render(<StrictMode><App /></StrictMode>);
