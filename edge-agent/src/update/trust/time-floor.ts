// A lower bound of now, for devices whose clock starts in 1970: the latest of when this program was released, what the
// coordinator has signed as its timestamp, and what the director has said. It only rises, and it is kept. So no clock
// makes expired metadata good again. A time that a thief of a key has signed is forgotten with that key.

import { z } from 'zod';

/** The ids of the keys that vouch for a time. */
const keysSchema = z.string().max(8_192);

export const timeFloorSchema = z.strictObject({
  attestedMs: z.number().nonnegative(),
  attestedBy: keysSchema,
  signedMs: z.number().nonnegative(),
  signedBy: keysSchema,
});
export type TimeFloor = z.infer<typeof timeFloorSchema>;

export const noTimeFloor: TimeFloor = { attestedMs: 0, attestedBy: '', signedMs: 0, signedBy: '' };

/** By the director, whose keys these are. */
export const attested = (floor: TimeFloor, atMs: number, by: string): TimeFloor => ({
  ...floor,
  attestedMs: by === floor.attestedBy ? Math.max(floor.attestedMs, atMs) : atMs,
  attestedBy: by,
});

/** By the timestamp role, whose keys these are. */
export const signed = (floor: TimeFloor, atMs: number, by: string): TimeFloor => ({
  ...floor,
  signedMs: by === floor.signedBy ? Math.max(floor.signedMs, atMs) : atMs,
  signedBy: by,
});

export const floorMs = ({ attestedMs, signedMs }: TimeFloor, releasedMs: number): number =>
  Math.max(attestedMs, signedMs, releasedMs);
