// Where a name lies in 0…1, the same on every machine for ever: by it a device belongs to a wave or to an arm of an
// experiment, and nobody has to remember which. MurmurHash3 x86 32-bit (Austin Appleby, public domain), over UTF-8.

/** Uniform in [0, 1), independent for each `salt`: who is early in one rollout is not early in all. */
export function stableShare(salt: string, name: string): number {
  return murmur3(new TextEncoder().encode(`${salt}\n${name}`), 0) / 2 ** 32;
}

/** The arms of an experiment. A device computes its own, so it stays in it whatever it hears and however often. */
export type Arm = 'control' | 'candidate';

export function armOf(
  experiment: { readonly id: string; readonly candidateShare: number },
  device: string,
): Arm {
  return stableShare(experiment.id, device) < experiment.candidateShare ? 'candidate' : 'control';
}

/** A uint32. */
export function murmur3(bytes: Uint8Array, seed: number): number {
  let hash = seed;
  const words = bytes.length >> 2;
  for (let i = 0; i < words; i++) {
    const at = i * 4;
    hash ^= scramble(
      byte(bytes, at) |
        (byte(bytes, at + 1) << 8) |
        (byte(bytes, at + 2) << 16) |
        (byte(bytes, at + 3) << 24),
    );
    hash = (Math.imul(rotate(hash, 13), 5) + 0xe6546b64) | 0;
  }
  let tail = 0;
  for (let at = bytes.length - 1; at >= words * 4; at--) tail = (tail << 8) | byte(bytes, at);
  hash ^= scramble(tail) ^ bytes.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

const byte = (bytes: Uint8Array, at: number): number => bytes[at] ?? 0;
const rotate = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits));
const scramble = (word: number): number =>
  Math.imul(rotate(Math.imul(word, 0xcc9e2d51), 15), 0x1b873593);
