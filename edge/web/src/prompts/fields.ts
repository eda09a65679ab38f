/** The form of a prompt's input, and texts about its result. Pure. */

import type { PromptResponse } from "../api/types";
import { formFields, type FormField, type JsonSchema } from "../schema-form/schema";

/** The fields of an input. Texts may be long, such as a mail. */
export function inputFields(schema: JsonSchema): FormField[] {
  return formFields(schema).map((field) => (field.control === "text" ? { ...field, control: "paragraphs" } : field));
}

/** The field names with errors of a refusal, such as "input: /text: "" is shorter than 1 character; /tags/0: …". */
export function inputErrors(detail: string, fields: readonly FormField[]): Record<string, string> {
  const errors: Record<string, string> = {};
  for (const part of detail.startsWith("input: ") ? detail.replace("input: ", "").split("; /") : []) {
    const [, name = "", message = ""] = /^\/?([^/:]*)[^:]*: (.+)$/s.exec(part) ?? [];
    if (fields.some((field) => field.name === name)) errors[name] ??= message;
  }
  return errors;
}

/** Such as "Answered by openai:gpt-5 with 180 tokens in and 14 out, corrected once." */
export function describeResult({ model, usage, repaired }: PromptResponse): string {
  const [input, output] = [usage.input_tokens, usage.output_tokens].map((tokens) => tokens.toLocaleString("en"));
  return `Answered by ${model} with ${input} tokens in and ${output} out${repaired ? ", corrected once" : ""}.`;
}
