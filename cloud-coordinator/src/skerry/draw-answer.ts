// An answer of a library for a person: its text with numbers, what stands behind each number, and which sentences nothing
// bears out. Pure.

import type { AnswerCitation, AskedAnswer, LateAnswer, SaidAnswer } from './library-answer.ts';

interface Source {
  readonly number: number;
  /** Of one section of one document. */
  readonly citations: readonly AnswerCitation[];
}

const unverifiedMark = '[?]';
const widthMax = 100;
const marks = /\s*\[\d{1,2}\]/g;

export function drawSaid(said: SaidAnswer, columns = widthMax): string {
  const width = Math.min(columns, widthMax);
  const sources = sourcesOf(said.citations);
  const lines = [wrap(markedText(said, sources), width), ''];
  for (const { number, citations } of sources) lines.push(...drawSource(number, citations));
  if (said.unverified.length > 0)
    lines.push(`${unverifiedMark} nothing that was found bears this sentence out`);
  return lines.join('\n').trimEnd();
}

export function drawAsked(answer: AskedAnswer, columns?: number): string {
  const { source, reason, degraded, confidence, threshold, mode, pending, asked } = answer;
  const knows = `${percent(confidence)} sure that the library holds it (it answers from ${percent(threshold)}); searched ${modes[mode] ?? mode}`;
  const who = source === 'library' ? [] : [`Answered by ${source}.`];
  const why = degraded && reason !== '' ? [`Why no better: ${reason}.`] : [];
  const context = asked === undefined ? [] : [`Understood as: ${asked}`];
  const later = pending === undefined ? [] : [`Asked again when there is a link: ${pending}`];
  return [drawSaid(answer, columns), '', ...context, knows, ...who, ...why, ...later].join('\n');
}

export function drawLate({ answer, failed, delivery }: LateAnswer, columns?: number): string {
  if (answer !== undefined) {
    const by = answer.model === undefined ? '' : ` by ${answer.model}`;
    return `Answered later${by}:\n\n${drawSaid(answer, columns)}`;
  }
  if (failed !== undefined) return `Nobody else knows it either: ${failed.message}`;
  return delivery === 'open' ? 'Nothing has come yet.' : 'Nothing was said.';
}

const modes: Readonly<Record<string, string>> = {
  hybrid: 'by words and by meaning',
  words: 'by words alone',
  vectors: 'by meaning alone',
};
const percent = (share: number): string => `${Math.round(share * 100)} %`;

/** By the numbers that the text names them by; where it names none, in the order of their first words. */
function sourcesOf(citations: readonly AnswerCitation[]): readonly Source[] {
  const groups = new Map<string, AnswerCitation[]>();
  for (const each of citations) {
    const key = each.number?.toString() ?? `${each.uri}\n${each.page}\n${each.heading}`;
    groups.set(key, [...(groups.get(key) ?? []), each]);
  }
  return [...groups.values()]
    .map((group, i) => ({ number: group[0]?.number ?? i + 1, citations: group }))
    .sort((a, b) => a.number - b.number);
}

function drawSource(number: number, citations: readonly AnswerCitation[]): readonly string[] {
  const [first] = citations;
  if (first === undefined) return [];
  const { title, heading, uri, page } = first;
  // The first heading of a document is often its title.
  const where = heading.startsWith(title) ? heading : [title, heading].filter(Boolean).join(' › ');
  const places = [...new Set(citations.map(({ start, end }) => `${start}–${end}`))].join(', ');
  const verified = citations.every((each) => each.verified);
  const stands = verified ? '✓ stands there' : '✗ not found there';
  const at = page === undefined ? '' : `page ${page}, `;
  const head = `[${number}] `;
  const under = ' '.repeat(head.length);
  return [`${head}${where}`, `${under}${uri}, ${at}characters ${places}  ${stands}`];
}

/** The library's own sentences get the numbers of where they stand; whoever else answers has put them. */
function markedText(said: SaidAnswer, sources: readonly Source[]): string {
  const text = said.text.trim();
  const inserted: { readonly at: number; readonly mark: string }[] = [];
  for (const { number, citations } of sources)
    for (const citation of citations) {
      if (citation.number !== undefined) continue;
      const quoted = oneSpaced(citation.text);
      const at = text.indexOf(quoted);
      if (at >= 0) inserted.push({ at: at + quoted.length, mark: `[${number}]` });
    }
  for (const sentence of said.unverified) {
    const at = endOf(text, sentence);
    if (at !== undefined) inserted.push({ at, mark: unverifiedMark });
  }
  return inserted
    .sort((a, b) => b.at - a.at)
    .reduce((so, { at, mark }) => `${so.slice(0, at)} ${mark}${so.slice(at)}`, text);
}

/** Where a sentence ends in a text that has marks in it, which the sentence has not. */
function endOf(text: string, sentence: string): number | undefined {
  const kept: number[] = [];
  let from = 0;
  for (const { index, 0: mark } of [...text.matchAll(marks), { index: text.length, 0: '' }]) {
    for (let at = from; at < index; at++) kept.push(at);
    from = index + mark.length;
  }
  const plain = kept.map((at) => text[at]).join('');
  const start = plain.indexOf(sentence);
  const last = start < 0 ? undefined : kept[start + sentence.length - 1];
  return last === undefined ? undefined : last + 1;
}

const oneSpaced = (text: string): string => text.replace(/\s+/g, ' ').trim();

function wrap(text: string, width: number): string {
  const lines: string[] = [];
  for (const paragraph of text.split('\n')) {
    let line = '';
    for (const word of paragraph.split(/ +/)) {
      if (line !== '' && line.length + 1 + word.length > width) {
        lines.push(line);
        line = '';
      }
      line = line === '' ? word : `${line} ${word}`;
    }
    lines.push(line);
  }
  return lines.join('\n');
}
