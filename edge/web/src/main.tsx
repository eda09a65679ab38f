import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { returnFromIssuer } from "./session/leave-and-return";
import { App } from "./shell/app";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/controls.css";
import "./styles/shell.css";
import "./styles/prose.css";
import "./styles/chat.css";
import "./styles/document.css";
import "./styles/sources.css";
import "./styles/session.css";
import "./styles/workspace.css";

returnFromIssuer();
const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
