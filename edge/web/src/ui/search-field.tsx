import { useEffect, useState, type ReactNode } from "react";

/** How long a pause in typing starts a search. */
const PAUSE_MS = 300;
const MAX_CHARS = 200;

interface Props {
  label: string;
  placeholder?: string;
  /** The words that are searched now. */
  words: string;
  onSearch: (words: string) => void;
}

/** A field that searches while one types. */
export function SearchField({ label, placeholder = "Search", words, onSearch }: Props): ReactNode {
  const [text, setText] = useState(words);
  const [searched, setSearched] = useState(words);
  const wanted = text.trim();
  if (searched !== words) {
    setSearched(words);
    if (wanted !== words) setText(words); // changed elsewhere, such as by the browser's button Back
  }
  useEffect(() => {
    if (wanted === words) return undefined;
    const timer = setTimeout(() => {
      onSearch(wanted);
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
    };
  }, [wanted, words, onSearch]);
  return (
    <input
      type="search"
      className="search"
      aria-label={label}
      placeholder={placeholder}
      value={text}
      maxLength={MAX_CHARS}
      autoComplete="off"
      dir="auto"
      onChange={(event) => {
        setText(event.target.value);
      }}
    />
  );
}
