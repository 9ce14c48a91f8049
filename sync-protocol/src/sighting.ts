// What the coordinator remembers of a device's last Exchange, to tell a disk that went back in time, and two devices by
// one name. Nothing is lost by either, for each boot is an epoch of its own: this is for the operator.

import type { Exchange } from './messages.ts';
import { type ByLane, lanes } from './op-kinds.ts';
import type { Suspicion } from './ports.ts';

export interface Sighting {
  readonly boot: number;
  readonly epoch: string;
  readonly cursor: number;
  readonly assigned: ByLane<number>;
  /** How often in a row an epoch spoke that another had followed already. */
  readonly turns: number;
}

/** A late message of an earlier boot makes two turns; a clone makes them without end. */
const turnsMax = 3;

export interface Judgement {
  readonly sighting: Sighting;
  readonly suspicion?: Suspicion;
}

/** `isKnown`: this Exchange's epoch has been heard before. */
export function judge(
  last: Sighting | undefined,
  { boot, epoch, cursor, assigned }: Pick<Exchange, 'boot' | 'epoch' | 'cursor' | 'assigned'>,
  isKnown: boolean,
): Judgement {
  const now = { boot, epoch, cursor, assigned, turns: 0 };
  if (last === undefined) return { sighting: now };
  if (epoch === last.epoch) return { sighting: { ...furthest(last, now), turns: last.turns } };
  const turns = last.turns + 1;
  if (isKnown)
    return turns > turnsMax
      ? { sighting: { ...now, turns: 0 }, suspicion: 'cloned' }
      : { sighting: { ...now, turns } };
  const hasGoneOn =
    boot > last.boot &&
    cursor >= last.cursor &&
    lanes.every((lane) => assigned[lane] >= last.assigned[lane]);
  return hasGoneOn ? { sighting: now } : { sighting: { ...now, turns }, suspicion: 'restored' };
}

/** Messages of one epoch may overtake each other. */
const furthest = (a: Sighting, b: Sighting): Sighting => ({
  ...b,
  cursor: Math.max(a.cursor, b.cursor),
  assigned: {
    urgent: Math.max(a.assigned.urgent, b.assigned.urgent),
    normal: Math.max(a.assigned.normal, b.assigned.normal),
    bulk: Math.max(a.assigned.bulk, b.assigned.bulk),
  },
});
