// What a device has said of itself, in sentences: where it stands and for what it waits.

import type { DeviceView } from './device-registry.ts';

export function explainDevice(
  { online, lastSeenMs, statusMs, status }: DeviceView,
  nowMs: number,
): readonly string[] {
  const silent = `has been silent for ${seconds(nowMs - lastSeenMs)}; what it is told waits for it`;
  const said = statusMs === undefined ? '' : `, as it said ${seconds(nowMs - statusMs)} ago`;
  return [
    ...(online ? [] : [silent]),
    ...(status?.models ?? []).flatMap(({ name, version, bundle, update }) => [
      `runs ${name} ${version}${bundle === undefined ? '' : ` (${bundle})`}${said}`,
      ...(update === undefined || update.state === 'confirmed'
        ? []
        : [
            `is ${update.state} with ${name} ${update.bundle} for ${seconds(nowMs - update.sinceMs)}${update.waiting === undefined ? '' : `: ${update.waiting}`}`,
          ]),
    ]),
  ];
}

const seconds = (ms: number): string => `${Math.max(0, Math.round(ms / 1_000))} s`;
