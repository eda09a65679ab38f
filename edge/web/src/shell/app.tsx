import { useEffect, useRef, type ReactNode } from "react";
import { ChatPage } from "../chat/chat-page";
import { DocumentPage } from "../document/document-page";
import { DocumentsPage } from "../documents/documents-page";
import { Gate } from "../sign-in/gate";
import { RunPage } from "../runs/run-page";
import { RunsPage } from "../runs/runs-page";
import { SourcesPage } from "../sources/sources-page";
import { BrandMark } from "../ui/icons";
import { WorkspacePage } from "../workspace/workspace-page";
import { AccountMenu } from "./account-menu";
import { pageOf, type Route } from "../routing/route";
import { Link, useRoute } from "../routing/router";

export function App(): ReactNode {
  return (
    <Gate>
      <Shell />
    </Gate>
  );
}

function Shell(): ReactNode {
  const route = useRoute();
  const main = useFocusOnTurn(pageOf(route));
  return (
    <>
      <a className="skip" href="#main">
        Skip to content
      </a>
      <header className="top">
        <Link href="/" className="brand">
          <BrandMark />
          <span>Headwater</span>
        </Link>
        <nav aria-label="Pages">
          <NavLink href="/" current={route.page === "chat"}>
            Chat
          </NavLink>
          <NavLink href="/sources" current={route.page === "sources" || route.page === "documents"}>
            Sources
          </NavLink>
          <NavLink href="/runs" current={route.page === "runs" || route.page === "run"}>
            Runs
          </NavLink>
        </nav>
        <AccountMenu />
      </header>
      <main id="main" ref={main} tabIndex={-1} className={`page-${route.page}`}>
        <Page route={route} />
      </main>
    </>
  );
}

function NavLink({ href, current, children }: { href: string; current: boolean; children: ReactNode }): ReactNode {
  return (
    <Link href={href} aria-current={current ? "page" : undefined}>
      {children}
    </Link>
  );
}

function Page({ route }: { route: Route }): ReactNode {
  switch (route.page) {
    case "chat":
      return <ChatPage id={route.id} />;
    case "sources":
      return <SourcesPage />;
    case "documents":
      return <DocumentsPage key={route.sourceId} sourceId={route.sourceId} shown={route.shown} />;
    case "runs":
      return <RunsPage sourceId={route.sourceId} />;
    case "run":
      return <RunPage key={route.id} id={route.id} />;
    case "workspace":
      return <WorkspacePage />;
    case "document":
      return <DocumentPage key={route.id} id={route.id} passage={route.passage} />;
    case "missing":
      return <Missing />;
  }
}

function Missing(): ReactNode {
  return (
    <div className="column">
      <h1>Nothing is here</h1>
      <p>
        The address may be mistyped, or what it named is gone. <Link href="/">Go to the chat</Link>
      </p>
    </div>
  );
}

/** After the page has changed, put the keyboard at its beginning, as a full load would. */
function useFocusOnTurn(page: string): React.RefObject<HTMLElement | null> {
  const main = useRef<HTMLElement>(null);
  const shown = useRef(page);
  useEffect(() => {
    if (shown.current === page) return;
    shown.current = page;
    if (!main.current?.contains(document.activeElement)) main.current?.focus();
  }, [page]);
  return main;
}
