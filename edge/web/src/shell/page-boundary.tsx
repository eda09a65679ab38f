import { Component, type ReactNode } from "react";
import type { Route } from "../routing/route";
import { ProblemNote } from "../ui/problem-note";

const FAILED = {
  title: "This page can't be shown",
  detail: "Reload it. If that doesn't help, your installation's operator needs the message in the browser's console.",
};

interface Props {
  route: Route;
  children: ReactNode;
}

interface State {
  route: Route;
  hasFailed: boolean;
}

/**
 * Show a problem in place of a page that fails to render, until the route changes. Without this, React removes the
 * navigation, too.
 */
export class PageBoundary extends Component<Props, State> {
  override state = { route: this.props.route, hasFailed: false };

  static getDerivedStateFromError(): Partial<State> {
    return { hasFailed: true };
  }

  static getDerivedStateFromProps({ route }: Props, state: State): State | null {
    return route === state.route ? null : { route, hasFailed: false };
  }

  override render(): ReactNode {
    if (!this.state.hasFailed) return this.props.children;
    return (
      <div className="column">
        <ProblemNote problem={FAILED}>
          <button
            type="button"
            onClick={() => {
              window.location.reload();
            }}
          >
            Reload
          </button>
        </ProblemNote>
      </div>
    );
  }
}
