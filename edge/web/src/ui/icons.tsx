/** Icons in the text's colour. They are hidden from assistive technology: label the buttons that contain them. */

import type { ReactNode } from "react";

function Icon({ children }: { children: ReactNode }): ReactNode {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

export function BrandMark(): ReactNode {
  return (
    <svg className="brand-mark" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path className="drop" d="M12 2c3 3.6 4.6 6 4.6 8a4.6 4.6 0 0 1-9.2 0c0-2 1.6-4.4 4.6-8Z" />
      <path d="M3 18.500c1.8-1.6 3.7-1.6 5.5 0s3.7 1.6 5.5 0 3.7-1.6 5.5 0" />
    </svg>
  );
}

export function SendIcon(): ReactNode {
  return (
    <Icon>
      <path d="M12 19V5M6 11l6-6 6 6" />
    </Icon>
  );
}

export function ArrowDownIcon(): ReactNode {
  return (
    <Icon>
      <path d="M12 5v14M6 13l6 6 6-6" />
    </Icon>
  );
}

export function StopIcon(): ReactNode {
  return (
    <Icon>
      <rect x="7" y="7" width="10" height="10" rx="1.5" fill="currentColor" stroke="none" />
    </Icon>
  );
}

export function CloseIcon(): ReactNode {
  return (
    <Icon>
      <path d="m6 6 12 12M18 6 6 18" />
    </Icon>
  );
}

export function ClipIcon(): ReactNode {
  return (
    <Icon>
      <path d="m20 11-8.500 8.500a5 5 0 0 1-7-7L13 4a3.500 3.500 0 0 1 5 5l-8.500 8.500a2 2 0 0 1-3-3L14 7" />
    </Icon>
  );
}

export function PlusIcon(): ReactNode {
  return (
    <Icon>
      <path d="M12 5v14M5 12h14" />
    </Icon>
  );
}

export function MoreIcon(): ReactNode {
  return (
    <Icon>
      <path d="M12 5h.01M12 12h.01M12 19h.01" strokeWidth="3" />
    </Icon>
  );
}

export function PinIcon(): ReactNode {
  return (
    <Icon>
      <path d="M9 4h6l-1 7 3 3H7l3-3-1-7ZM12 14v6" />
    </Icon>
  );
}

export function BinIcon(): ReactNode {
  return (
    <Icon>
      <path d="M5 7h14M10 7V5h4v2M7 7l1 12h8l1-12M10.5 11v5M13.5 11v5" />
    </Icon>
  );
}

export function ListIcon(): ReactNode {
  return (
    <Icon>
      <path d="M4 7h16M4 12h16M4 17h10" />
    </Icon>
  );
}

export function FilterIcon(): ReactNode {
  return (
    <Icon>
      <path d="M4 7h16M7 12h10M10 17h4" />
    </Icon>
  );
}

export function PersonIcon(): ReactNode {
  return (
    <Icon>
      <circle cx="12" cy="8" r="3.5" />
      <path d="M5 20c.8-4 3.500-6 7-6s6.200 2 7 6" />
    </Icon>
  );
}
