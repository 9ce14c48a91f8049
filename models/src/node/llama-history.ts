// The messages of a question as node-llama-cpp has them: what was said before, and what is asked now.

import type { ChatRequest } from '../openai/text-server.ts';
import type { HistoryItem } from './llama-package.ts';

/** The last message is what is asked; those of one role that follow each other are one, as templates want them. */
export function historyOf({ messages }: ChatRequest): {
  readonly history: readonly HistoryItem[];
  readonly last: string;
} {
  const turns: { role: 'system' | 'user' | 'assistant'; text: string }[] = [];
  for (const message of messages) {
    const role =
      message.role === 'assistant' || message.role === 'system'
        ? message.role
        : message.role === 'developer'
          ? 'system'
          : 'user';
    const { content } = message;
    const text =
      typeof content === 'string'
        ? content
        : (content ?? []).flatMap((part) => part.text ?? []).join('\n');
    const before = turns.at(-1);
    if (before?.role === role) before.text += `\n\n${text}`;
    else turns.push({ role, text });
  }
  const last = turns.at(-1)?.role === 'user' ? (turns.pop()?.text ?? '') : '';
  const history = turns.map(
    ({ role, text }): HistoryItem =>
      role === 'assistant' ? { type: 'model', response: [text] } : { type: role, text },
  );
  return { history, last };
}

export const textOf = (item: HistoryItem): string =>
  item.type === 'model' ? item.response.join('') : item.text;
