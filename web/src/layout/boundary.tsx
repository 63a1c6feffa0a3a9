import { Component, type ReactNode } from 'react';
import { Button } from '@/ui/basic';

// A page that breaks says so, and the rest stays. A file of an older release that is gone is fetched anew.
export class Boundary extends Component<{ at: string; children: ReactNode }, { broken: Error | null }> {
  override state = { broken: null as Error | null };
  static getDerivedStateFromError(broken: Error) { return { broken }; }
  override componentDidUpdate(before: { at: string }) {
    if (before.at !== this.props.at && this.state.broken) this.setState({ broken: null });
  }
  override render() {
    if (!this.state.broken) return this.props.children;
    return (
      <div role="alert" className="grid min-h-[60vh] place-items-center p-6 text-center">
        <div><p className="text-lg font-semibold">This page broke</p><p className="mb-5 mt-1 max-w-md text-soft">Loading it again usually helps. If it does not, tell us what you did: {this.state.broken.message}</p><Button look="primary" onClick={() => location.reload()}>Load again</Button></div>
      </div>
    );
  }
}
