import { randomBytes } from 'node:crypto';
import { type Random, randomFrom } from '../random.ts';

const poolBytes = 1024;

/** A Random fed by the operating system's CSPRNG, for jitter and ids. */
export function createSystemRandom(): Random {
  let pool = randomBytes(poolBytes);
  let at = 0;
  return randomFrom(() => {
    if (at === poolBytes) {
      pool = randomBytes(poolBytes);
      at = 0;
    }
    at += 4;
    return pool.readUInt32LE(at - 4);
  });
}
