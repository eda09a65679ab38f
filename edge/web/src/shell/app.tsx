import { useEffect, useRef, type ReactNode } from "react";
import { ChatPage } from "../chat/chat-page";
import { DocumentPage } from "../document/document-page";
import { DocumentsPage } from "../documents/documents-page";
import { ExtractionPage } from "../extraction/extraction-page";
import { McpSignInPage } from "../mcp-servers/mcp-sign-in-page";
import { PromptsPage } from "../prompts/prompts-page";
import { useAccount } from "../sign-in/account";
import { Gate } from "../sign-in/gate";
import { RunPage } from "../runs/run-page";
import { RunsPage } from "../runs/runs-page";
import { SourcesPage } from "../sources/sources-page";
import { BrandMark } from "../ui/icons";
import { SharedPage } from "../shared/shared-page";
import { StandingPage } from "../standing/standing-page";
import { UsagePage } from "../usage/usage-page";
import { WorkspacePage } from "../workspace/workspace-page";
import { NotFound } from "../ui/not-found";
import { AccountMenu } from "./account-menu";
import { PageBoundary } from "./page-boundary";
import { useKeptFocus } from "./use-kept-focus";
import { usePageStart } from "./use-page-start";
import { pageKey, type Route } from "../routing/route";
import { Link, useRoute } from "../routing/router";

export function App(): ReactNode {
  const route = useRoute();
  if (route.page === "shared")
    return <SharedPage key={`${route.id} ${route.token}`} id={route.id} token={route.token} />;
  return (
    <Gate>
      <Shell />
    </Gate>
  );
}

function Shell(): ReactNode {
  const route = useRoute();
  const { signsIn } = useAccount();
  const main = usePageStart(pageKey(route));
  const pages = useCurrentPageInView(route.page);
  useKeptFocus();
  return (
    <>
      <a
        className="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault(); // the fragment may hold a cited text
          main.current?.focus();
        }}
      >
        Skip to content
      </a>
      <header className="top">
        <Link href="/" className="brand">
          <BrandMark />
          <span>Headwater</span>
        </Link>
        <nav aria-label="Pages" ref={pages}>
          <NavLink href="/" current={route.page === "chat"}>
            Chat
          </NavLink>
          <NavLink href="/sources" current={route.page === "sources" || route.page === "documents"}>
            Sources
          </NavLink>
          <NavLink href="/runs" current={route.page === "runs" || route.page === "run"}>
            Runs
          </NavLink>
          <NavLink href="/extraction" current={route.page === "extraction"}>
            Extract
          </NavLink>
          <NavLink href="/prompts" current={route.page === "prompts"}>
            Prompts
          </NavLink>
          <NavLink href="/standing-questions" current={route.page === "standing-questions"}>
            Standing questions
          </NavLink>
          <NavLink href="/usage" current={route.page === "usage"}>
            Usage
          </NavLink>
          {!signsIn && (
            <NavLink href="/workspace" current={route.page === "workspace"}>
              Workspace
            </NavLink>
          )}
        </nav>
        <AccountMenu />
      </header>
      <main id="main" ref={main} tabIndex={-1} className={`page-${route.page}`}>
        <PageBoundary route={route}>
          <Page route={route} />
        </PageBoundary>
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
      return <ChatPage id={route.id} filter={route.filter} />;
    case "sources":
      return <SourcesPage words={route.words} />;
    case "documents":
      return (
        <DocumentsPage
          key={route.sourceId}
          sourceId={route.sourceId}
          filter={route.filter}
          condition={route.condition}
        />
      );
    case "runs":
      return <RunsPage sourceId={route.sourceId} />;
    case "run":
      return <RunPage key={route.id} id={route.id} />;
    case "extraction":
      return <ExtractionPage />;
    case "prompts":
      return <PromptsPage />;
    case "standing-questions":
      return <StandingPage />;
    case "usage":
      return <UsagePage />;
    case "workspace":
      return <WorkspacePage />;
    case "document":
      return <DocumentPage key={route.id} id={route.id} passage={route.passage} />;
    case "mcp-sign-in":
      return <McpSignInPage answer={route.answer} />;
    case "shared": // which needs no sign-in
    case "missing":
      return <PageNotFound />;
  }
}

function PageNotFound(): ReactNode {
  return (
    <div className="column">
      <NotFound what="Page">
        Check the address, or <Link href="/">go to the chat</Link>.
      </NotFound>
    </div>
  );
}

/** Scroll the navigation, which can be wider than the window, so that the current page's link is in its middle. */
function useCurrentPageInView(page: Route["page"]): React.RefObject<HTMLElement | null> {
  const pages = useRef<HTMLElement>(null);
  useEffect(() => {
    if (!pages.current) return undefined;
    const observer = new ResizeObserver(([entry]) => {
      entry?.target.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
    });
    observer.observe(pages.current); // which calls it at once
    return () => {
      observer.disconnect();
    };
  }, [page]);
  return pages;
}
