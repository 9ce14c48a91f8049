// A lower bound of now, for devices whose clock starts in 1970: the latest of when this program was released, what the
// coordinator has signed, and what somebody trusted has said. It only rises, and it is kept. So no clock makes expired
// metadata good again. A time that a thief of the timestamp key has signed is forgotten with that key.

import { z } from 'zod';

export const timeFloorSchema = z.strictObject({
  attestedMs: z.number().nonnegative(),
  signedMs: z.number().nonnegative(),
  /** The timestamp role's keys that vouch for `signedMs`. */
  signedBy: z.string().max(8_192),
});
export type TimeFloor = z.infer<typeof timeFloorSchema>;

export const noTimeFloor: TimeFloor = { attestedMs: 0, signedMs: 0, signedBy: '' };

export const attested = (floor: TimeFloor, atMs: number): TimeFloor => ({
  ...floor,
  attestedMs: Math.max(floor.attestedMs, atMs),
});

export const signed = (floor: TimeFloor, atMs: number, signedBy: string): TimeFloor => ({
  ...floor,
  signedMs: signedBy === floor.signedBy ? Math.max(floor.signedMs, atMs) : atMs,
  signedBy,
});

export const floorMs = ({ attestedMs, signedMs }: TimeFloor, releasedMs: number): number =>
  Math.max(attestedMs, signedMs, releasedMs);
