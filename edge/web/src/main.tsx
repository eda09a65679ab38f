import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { takeLinkedToken } from "./session/local-token";
import { finishSignIn } from "./sign-in/redirect";
import { App } from "./shell/app";
// Style sheets in cascade order: shared ones first.
import "./ui/tokens.css";
import "./ui/base.css";
import "./ui/controls.css";
import "./ui/card.css";
import "./ui/rows.css";
import "./shell/shell.css";
import "./ui/prose.css";
import "./code-blocks/code-blocks.css";
import "./formulas/formulas.css";
import "./filter/filter.css";
import "./chat/chat.css";
import "./chat/conversation-list.css";
import "./chat/answer.css";
import "./chat/message-actions.css";
import "./chat/composer.css";
import "./document/document.css";
import "./runs/runs.css";
import "./sources/sources.css";
import "./uploads/uploads.css";
import "./attachments/attachments.css";
import "./files/files.css";
import "./sign-in/sign-in.css";
import "./sharing/sharing.css";

takeLinkedToken();
finishSignIn();
const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
