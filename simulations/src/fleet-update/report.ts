// What the story was to show, as a table and as promises that were kept or broken.

import type { Moved } from './moved-bytes.ts';
import type { StoryEnd } from './run-story.ts';
import type { WatchedRollout } from './watch.ts';

export interface UpdatePromise {
  readonly text: string;
  readonly kept: boolean;
}

/** What of a model's behaviour a gate looks at; the rest every process shows. */
const modelSigns = ['escalations', 'disagreements', 'audits', 'shadow'];

export function promisesOf(end: StoryEnd): readonly UpdatePromise[] {
  const { agents, canary, good, bad, back, asked, failed } = end;
  const caught = bad.waves.find(({ verdict }) => verdict === 'rollback');
  const signs = (caught?.evidence ?? []).filter(({ finding }) => finding === 'harm');
  const names = signs.map(({ sign }) => sign);
  const safe = back.end.timeToSafe;
  return [
    {
      text: `the good version is ${good.end.phase.kind}: ${good.running} of ${agents} heartbeats name it`,
      kept: good.end.phase.kind === 'completed' && good.running === agents,
    },
    {
      text: `the bad one is ${bad.end.phase.kind} in wave ${bad.end.phase.wave}, by ${names.join(', ') || 'nothing'}; no process failed`,
      kept:
        bad.end.phase.kind === 'rolled-back' &&
        bad.end.phase.wave === 0 &&
        names.length > 0 &&
        names.every((name) => modelSigns.includes(name)),
    },
    {
      text: `${bad.exposed} devices ran it at most, of a canary of ${canary}; ${bad.left} are left on it; it is ${bad.quarantined ? '' : 'not '}quarantined`,
      kept: bad.exposed <= canary && bad.left === 0 && bad.quarantined,
    },
    {
      text: `one order takes the good one back: ${back.running} of ${agents} run what they shipped with, ${back.blobsFetched} blobs fetched, safe after ${seconds(safe?.lastMs)} (half after ${seconds(safe?.p50Ms)})`,
      kept: back.running === agents && back.blobsFetched === 0 && safe?.owed === 0,
    },
    { text: `${asked} requests of the apps, ${failed} failed`, kept: asked > 0 && failed === 0 },
  ];
}

const seconds = (ms: number | undefined): string =>
  ms === undefined ? '–' : `${(ms / 1_000).toFixed(1)} s`;

export function renderWaves(rollouts: readonly WatchedRollout[]): string {
  const rows = rollouts.flatMap(({ name, waves }) =>
    waves.map(({ wave, members, executed, verdict, seconds: took, reasons }) => [
      name,
      wave === 0 ? 'canary' : String(wave),
      String(members),
      String(executed),
      verdict,
      took.toFixed(0),
      reasons.join('; '),
    ]),
  );
  return table(['rollout', 'wave', 'devices', 'executed', 'verdict', 's', 'why'], rows);
}

export function renderMoved(moved: readonly Moved[], names: ReadonlyMap<string, string>): string {
  const rows = moved.map(({ bundle, way, devices, bytes, fullBytes }) => [
    names.get(bundle) ?? bundle.slice(7, 19),
    way,
    String(devices),
    kib(bytes / devices),
    kib(fullBytes / devices),
  ]);
  return table(['version', 'way', 'devices', 'KiB each', 'whole'], rows);
}

const kib = (bytes: number): string => (bytes / 1_024).toFixed(1);

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, ...rows];
  const widths = head.map((_, c) => Math.max(...lines.map((line) => line[c]?.length ?? 0)));
  const isNumber = (column: number): boolean =>
    rows.length > 0 && rows.every((row) => /^[\d.]+$/.test(row[column] ?? ''));
  const text = lines.map((line) =>
    line
      .map((cell, c) => (isNumber(c) ? cell.padStart(widths[c] ?? 0) : cell.padEnd(widths[c] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
  return [
    text[0],
    '─'.repeat(Math.min(100, Math.max(...text.map((line) => line.length)))),
    ...text.slice(1),
  ].join('\n');
}
