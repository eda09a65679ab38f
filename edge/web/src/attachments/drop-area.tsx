import { useState, type DragEvent, type ReactNode } from "react";

interface Props {
  className: string;
  onDrop: (files: readonly File[]) => void;
  children: ReactNode;
}

/** Takes files that are dropped anywhere on it. Dragged text is left to the question field. */
export function DropArea({ className, onDrop, children }: Props): ReactNode {
  const [isOver, setIsOver] = useState(false);
  const hasFiles = ({ dataTransfer }: DragEvent): boolean => dataTransfer.types.includes("Files");
  return (
    <div
      className={isOver ? `${className} dropping` : className}
      onDragOver={(event) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        setIsOver(true);
      }}
      onDragLeave={(event) => {
        if (!event.currentTarget.contains(event.relatedTarget as Node | null)) setIsOver(false);
      }}
      onDrop={(event) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        setIsOver(false);
        const files = [...event.dataTransfer.files];
        if (files.length > 0) onDrop(files);
      }}
    >
      {children}
    </div>
  );
}
