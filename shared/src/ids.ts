// Identifiers, and the rules they obey on the wire, in topics and in file names.

import { z } from 'zod';
import type { Random } from './random.ts';

/** Of a device, a model, a stage: safe in an MQTT topic, a URL path and a file name. */
export const nameSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'expected 1–64 of a–z 0–9 . _ -, first a letter or digit');

/** The site of who is told none: an agent by its configuration, a device by its certificate. */
export const defaultSite = 'default';

export const digestSchema = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/, 'expected sha256: and 64 hex digits');
export type Digest = `sha256:${string}`;

/** 26 characters, sortable by time, 80 random bits (the ULID layout). */
export function createId(nowMs: number, random: Random): string {
  let time = '';
  for (let i = 0, t = nowMs; i < 10; i++, t = Math.floor(t / 32)) time = crockford(t % 32) + time;
  let tail = '';
  for (let i = 0; i < 16; i++) tail += crockford(random.below(32));
  return time + tail;
}

const crockford = (digit: number): string => '0123456789abcdefghjkmnpqrstvwxyz'.charAt(digit);
