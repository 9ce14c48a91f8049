// What the demo was to show: a table of each device before and after, and promises that were kept or broken.

import { renderTable } from '../bench/table.ts';
import type { Score } from './exam.ts';
import type { DeviceStory, LearnStoryEnd } from './run-story.ts';

const share = ({ right, of }: Score): number => right / of;
const percent = (value: number): string => `${(100 * value).toFixed(1)} %`;
const points = (value: number): string =>
  `${value >= 0 ? '+' : '−'}${(100 * Math.abs(value)).toFixed(1)}`;

export function renderDevices(devices: readonly DeviceStory[]): string {
  const rows = devices.map(({ device, mostly, taught, before, after, fate, runs }) => [
    device,
    mostly.join(' '),
    String(taught),
    percent(share(before)),
    percent(share(after)),
    points(share(after) - share(before)),
    runs,
    fate,
  ]);
  const mean = (of: (story: DeviceStory) => number): number =>
    devices.reduce((sum, story) => sum + of(story), 0) / devices.length;
  const before = mean((story) => share(story.before));
  const after = mean((story) => share(story.after));
  const header = [
    'device',
    'sees mostly',
    'labels',
    'before',
    'after',
    'points',
    'runs',
    'meanwhile',
  ];
  return renderTable(header, [
    ...rows,
    ['mean', '', '', percent(before), percent(after), points(after - before)],
  ]);
}

export interface LearnPromise {
  readonly text: string;
  readonly kept: boolean;
}

export function promisesOf(end: LearnStoryEnd): readonly LearnPromise[] {
  const { devices, run, rollout, version, runSeconds, failed } = end;
  const killed = devices.find(({ fate }) => fate.startsWith('killed'));
  const offline = devices.find(({ fate }) => fate.startsWith('offline'));
  const better = devices.filter(({ before, after }) => share(after) > share(before));
  return [
    {
      text: `the run is ${run.phase.kind}: a candidate from ${run.round} of ${run.rounds} rounds in ${runSeconds.toFixed(0)} s, with ${killed?.device} ${killed?.fate} and ${offline?.device} ${offline?.fate}`,
      kept:
        run.phase.kind === 'completed' &&
        run.round === run.rounds &&
        killed !== undefined &&
        offline !== undefined,
    },
    {
      text: `${version} passed its gate in ${rollout.waves.length} waves and runs on ${devices.filter(({ runs }) => runs === version).length} of ${devices.length} devices`,
      kept: rollout.end.phase.kind === 'completed' && devices.every(({ runs }) => runs === version),
    },
    {
      text: `${better.length} of ${devices.length} devices answer better on their own digits, by themselves`,
      kept: better.length === devices.length,
    },
    { text: `${failed} requests of the apps failed during the rollout`, kept: failed === 0 },
  ];
}
