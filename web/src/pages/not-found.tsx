import { useTitle } from '@/lib/hooks';
import { Brand } from '@/layout/brand';
import { LinkButton } from '@/ui/basic';

export default function NotFound({ inside }: { inside?: boolean }) {
  useTitle('Not found');
  const Frame = inside ? 'div' : 'main';
  return (
    <Frame className={inside ? 'grid min-h-[60vh] place-items-center text-center' : 'grid min-h-dvh place-items-center p-6 text-center'}>
      <div>
        {!inside && <Brand className="mb-8 justify-center" />}
        <p className="num text-sm font-medium text-faint">404</p>
        <h1 className="mt-1 text-2xl font-semibold tracking-tight">There is nothing here</h1>
        <p className="mb-6 mt-2 max-w-sm text-soft">The address may be mistyped, or the thing belongs to another team.</p>
        <LinkButton to="/" look="primary">Go to the start</LinkButton>
      </div>
    </Frame>
  );
}
