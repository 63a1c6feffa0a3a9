// Which page is where (web/pages.txt has the same list for the server), and for whom.
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { lazy, Suspense, type ComponentType, type LazyExoticComponent } from 'react';
import { Redirect, Route, Switch, useLocation, useSearch } from 'wouter';
import { ApiError, messageOf } from '@/lib/api';
import { useSessionQuery, wasIn, WhoIs } from '@/lib/session';
import { Brand } from '@/layout/brand';
import { Boundary } from '@/layout/boundary';
import { Button, Skeleton } from '@/ui/basic';
import { Notices } from '@/ui/notices';
import NotFound from '@/pages/not-found';
import { Forgot, Reset, SignIn } from '@/pages/sign-in';

type Page = LazyExoticComponent<ComponentType> | ComponentType;
const Shell = lazy(() => import('@/layout/shell'));
const SignUp = lazy(() => import('@/pages/sign-up'));

const open: Record<string, Page> = {
  '/sign-in': SignIn, '/sign-up': SignUp, '/forgot': Forgot, '/reset': Reset,
  '/verify': lazy(() => import('@/pages/verify')), '/setup': lazy(() => import('@/pages/setup')),
  '/invitation': lazy(() => import('@/pages/invitation')), '/pricing': lazy(() => import('@/pages/landing')),
};
const inside: Record<string, Page> = {
  '/': lazy(() => import('@/pages/home')), '/keys': lazy(() => import('@/pages/keys')), '/usage': lazy(() => import('@/pages/usage')), '/billing': lazy(() => import('@/pages/billing')),
  '/webhooks': lazy(() => import('@/pages/webhooks')), '/webhooks/:id': lazy(() => import('@/pages/webhook')),
  '/models': lazy(() => import('@/pages/models')), '/playground': lazy(() => import('@/pages/playground')), '/quickstart': lazy(() => import('@/pages/quickstart')),
  '/team': lazy(() => import('@/pages/team')), '/settings': lazy(() => import('@/pages/settings')), '/security': lazy(() => import('@/pages/security')),
};
const forOperators: Record<string, Page> = {
  '/admin': lazy(() => import('@/pages/admin/overview')), '/admin/customers': lazy(() => import('@/pages/admin/customers')),
  '/admin/customers/:id': lazy(() => import('@/pages/admin/customer')), '/admin/providers': lazy(() => import('@/pages/admin/providers')),
  '/admin/pricing': lazy(() => import('@/pages/admin/pricing')), '/admin/margin': lazy(() => import('@/pages/admin/margin')),
  '/admin/payments': lazy(() => import('@/pages/admin/payments')), '/admin/payments/:id': lazy(() => import('@/pages/admin/payment')),
  '/admin/plans': lazy(() => import('@/pages/admin/plans')), '/admin/subscriptions/:id': lazy(() => import('@/pages/admin/subscription')),
  '/admin/codes': lazy(() => import('@/pages/admin/codes')),
  '/admin/upstream-keys': lazy(() => import('@/pages/admin/upstream-keys')), '/admin/jobs': lazy(() => import('@/pages/admin/jobs')),
  '/admin/jobs/:id': lazy(() => import('@/pages/admin/job')), '/admin/audit': lazy(() => import('@/pages/admin/audit')),
  '/admin/settings': lazy(() => import('@/pages/admin/settings')),
};
const Landing = lazy(() => import('@/pages/landing'));
const Device = lazy(() => import('@/pages/device'));

const routes = (pages: Record<string, Page>) => Object.entries(pages).map(([path, C]) => <Route key={path} path={path}><C /></Route>);

function PageSkeleton() {
  return (
    <div role="status" aria-label="Loading" className="space-y-6">
      <Skeleton className="h-8 w-48" />
      <div className="grid gap-4 sm:grid-cols-3"><Skeleton className="h-28" /><Skeleton className="h-28" /><Skeleton className="h-28" /></div>
      <Skeleton className="h-72" />
    </div>
  );
}

// Before it is known who is here: the frame of what he most likely sees, and no words.
function Before() {
  if (!wasIn()) return <div role="status" aria-label="Loading" className="min-h-dvh" />;
  return (
    <div className="min-h-dvh lg:pl-64">
      <aside className="fixed inset-y-0 left-0 hidden w-64 border-r border-line bg-panel p-5 lg:block"><Brand /></aside>
      <div className="h-14 border-b border-line bg-panel lg:hidden" />
      <main className="mx-auto max-w-6xl px-4 py-8 sm:px-8"><PageSkeleton /></main>
    </div>
  );
}

function ToSignIn() {
  const [at] = useLocation();
  const search = useSearch();
  const next = at + (search ? `?${search}` : '');
  return <Redirect to={`/sign-in?next=${encodeURIComponent(next)}`} replace />;
}

function Pages() {
  const session = useSessionQuery();
  const [at] = useLocation();
  if (session.isPending) return <Before />;
  if (session.error && session.data === undefined)
    return (
      <main className="grid min-h-dvh place-items-center p-6 text-center">
        <div><Brand className="mb-6 justify-center" /><p className="font-semibold">The server does not answer as it should</p><p className="mb-5 mt-1 text-soft">{messageOf(session.error)}</p><Button onClick={() => void session.refetch()}>Try again</Button></div>
      </main>
    );
  const me = session.data ?? null;
  const isIn = (path: string) => path in inside || path === '/device' || /^\/(admin|webhooks)(\/|$)/.test(path);
  return (
    <WhoIs me={me}>
      <Boundary at={at}>
        <Suspense fallback={<Before />}>
          <Switch>
            {routes(open)}
            <Route path="/device">{me ? <Device /> : <ToSignIn />}</Route>
            {!me && <Route path="/"><Landing /></Route>}
            {!me && isIn(at) && <Route path="*"><ToSignIn /></Route>}
            {me && <Route path="*"><Shell><Boundary at={at}><Suspense fallback={<PageSkeleton />}><Switch>{routes(inside)}{me.user.is_operator && routes(forOperators)}<Route><NotFound inside /></Route></Switch></Suspense></Boundary></Shell></Route>}
            <Route><NotFound /></Route>
          </Switch>
        </Suspense>
      </Boundary>
    </WhoIs>
  );
}

const client = new QueryClient({
  defaultOptions: { queries: { staleTime: 10_000, retry: (n, e) => n < 2 && e instanceof ApiError && (e.status === 0 || e.status >= 502), refetchOnWindowFocus: true } },
});

export function App() {
  return (
    <QueryClientProvider client={client}>
      <Pages /><Notices />
    </QueryClientProvider>
  );
}
