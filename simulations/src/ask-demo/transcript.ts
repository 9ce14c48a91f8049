// A transcript that a person reads.

import type { AskedAnswer, LateAnswer } from './story.ts';

const width = 100;

export function describeAnswer({
  question,
  text,
  confidence,
  citations,
  latencyMs,
  pending,
  understoodAs,
}: AskedAnswer): string {
  const asked = pending === undefined ? '' : '; will be asked again when there is a link';
  const sure = `${Math.round(confidence * 100)} % sure, ${Math.round(latencyMs)} ms${asked}`;
  const lines = [`  Q  ${question}`];
  if (understoodAs !== undefined) lines.push(`     understood as: ${understoodAs}`);
  if (text === undefined) lines.push(`     I do not know. (${sure})`);
  else lines.push(...wrapped(text, '  A  '), ...cited(citations), `     (${sure})`);
  return `${lines.join('\n')}\n`;
}

export function describeLate({ question, text, citations }: LateAnswer): string {
  const said =
    text === undefined ? ['     The depot does not know either.'] : wrapped(text, '  A  ');
  return `${[`  Q  ${question}`, ...said, ...cited(citations)].join('\n')}\n`;
}

/** Each source once. */
function cited(citations: AskedAnswer['citations']): readonly string[] {
  const sources = citations.map(({ title, heading, uri, verified }) => {
    // The first heading of a document is often its title.
    const where = heading.startsWith(title)
      ? heading
      : [title, heading].filter(Boolean).join(' › ');
    return `     ${verified ? '✓' : '✗'} ${shortened(where)} (${uri})`;
  });
  return [...new Set(sources)];
}

const shortened = (text: string): string =>
  text.length > width ? `${text.slice(0, width - 1)}…` : text;

function wrapped(text: string, first: string): readonly string[] {
  const lines: string[] = [];
  let line = first;
  for (const word of text.split(/\s+/)) {
    if (line.length + word.length > width && line.trim() !== '') {
      lines.push(line.trimEnd());
      line = '     ';
    }
    line += `${word} `;
  }
  return [...lines, line.trimEnd()];
}
