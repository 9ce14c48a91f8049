// What one run goes through, drawn from its seed: what the devices say and every fault, as a list, so that a failing run
// can be tried again with parts of it left out.

import type { Random } from '@skerry/shared';

/** Faults end here, and nothing is said after it. */
export const healAtMs = 60_000;

type Window = { readonly device: string; readonly atMs: number; readonly untilMs: number };

export type Happening =
  | { readonly kind: 'say'; readonly device: string; readonly atMs: number; readonly id: string }
  /** A down op whose effect always throws. */
  | { readonly kind: 'poison'; readonly device: string; readonly atMs: number; readonly id: string }
  | { readonly kind: 'kill'; readonly whom: string; readonly atMs: number }
  /** The device is told, or messages just vanish. */
  | (Window & { readonly kind: 'partition'; readonly silent: boolean })
  | (Window & { readonly kind: 'slow-link'; readonly bytesPerSecond: number })
  | (Window & { readonly kind: 'full-disk' })
  /** The device's clock jumps, forward or back. */
  | {
      readonly kind: 'clock-jump';
      readonly device: string;
      readonly atMs: number;
      readonly byMs: number;
    }
  /** Every link goes, with all that is under way, and comes back. */
  | { readonly kind: 'broker-restart'; readonly atMs: number; readonly untilMs: number }
  | { readonly kind: 'back-up'; readonly device: string; readonly atMs: number }
  /** The disk as it was when it was backed up last; what came since is gone. */
  | { readonly kind: 'restore'; readonly device: string; readonly atMs: number }
  /** The device goes on with the backup's copy, and the disk that it had waits its turn: one name, two disks. */
  | { readonly kind: 'swap-clone'; readonly device: string; readonly atMs: number };

export interface Weather {
  readonly devices: readonly string[];
  readonly happenings: readonly Happening[];
  readonly lossRate: number;
  readonly repeatRate: number;
  readonly damageRate: number;
  readonly delayMaxMs: number;
  readonly crashRate: number;
  /** Exchanges that the coordinator takes at once, before it asks for a pause. */
  readonly exchangesMax: number;
}

const dayMs = 86_400_000;
const kinds = ['escalation', 'escalation', 'document', 'telemetry'] as const;

export function drawWeather(random: Random): Weather {
  const devices = Array.from({ length: 2 + random.below(3) }, (_, i) => `device-${i + 1}`);
  const anyDevice = (): string => devices[random.below(devices.length)] as string;
  const window = (): Window => {
    const atMs = random.below(healAtMs / 2);
    return { device: anyDevice(), atMs, untilMs: atMs + random.below(healAtMs - atMs) };
  };
  const some = (max: number, draw: () => Happening): Happening[] =>
    Array.from({ length: random.below(max + 1) }, draw);
  const saysMax = 5 + random.below(40);
  const says = devices.flatMap((device) =>
    Array.from({ length: 1 + random.below(saysMax) }, (_, i): Happening => {
      const kind = kinds[random.below(kinds.length)] as string;
      return { kind: 'say', device, atMs: random.below(healAtMs), id: `${kind}/${device}/${i}` };
    }),
  );
  const happenings = [
    ...says,
    ...some(2, () => ({
      kind: 'poison',
      device: anyDevice(),
      atMs: random.below(healAtMs),
      id: `poison/${random.uint32()}`,
    })),
    ...some(5, () => ({
      kind: 'kill',
      whom: random.next() < 0.3 ? 'coordinator' : anyDevice(),
      atMs: random.below(healAtMs),
    })),
    ...some(1, () => ({ kind: 'partition', ...window(), silent: random.next() < 0.5 })),
    ...some(1, () => ({
      kind: 'slow-link',
      ...window(),
      bytesPerSecond: 500 + random.below(5_000),
    })),
    ...some(1, () => ({ kind: 'full-disk', ...window() })),
    ...some(2, () => ({
      kind: 'clock-jump',
      device: anyDevice(),
      atMs: random.below(healAtMs),
      byMs: random.below(2 * dayMs) - dayMs,
    })),
    ...some(2, () => {
      const atMs = random.below(healAtMs);
      return { kind: 'broker-restart', atMs, untilMs: atMs + random.below(3_000) };
    }),
    ...some(2, () => ({ kind: 'back-up', device: anyDevice(), atMs: random.below(healAtMs) })),
    ...some(2, () => ({ kind: 'restore', device: anyDevice(), atMs: random.below(healAtMs) })),
    ...some(4, () => ({ kind: 'swap-clone', device: anyDevice(), atMs: random.below(healAtMs) })),
  ] as const satisfies readonly Happening[];
  return {
    devices,
    happenings,
    lossRate: random.next() * 0.3,
    repeatRate: random.next() * 0.3,
    damageRate: random.next() * 0.1,
    delayMaxMs: 10 + random.below(3_000),
    crashRate: random.next() * 0.02,
    exchangesMax: 1 + random.below(8),
  };
}

/** One happening, for the trace. */
export function tell({ kind, atMs, ...rest }: Happening): string {
  const more = Object.entries(rest).map(([key, value]) => `${key} ${value}`);
  return `${(atMs / 1000).toFixed(3)} s ${kind} ${more.join(', ')}`;
}
