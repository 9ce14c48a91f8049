// Where noise and samples come from. Whoever can foresee the bytes can take the noise off again, so in production they are the
// platform's CSPRNG or a keystream under a secret key; never a seeded Random.

export interface RandomBytes {
  /** Overwrites all of it with uniform bytes that nobody can foresee. */
  fill(into: Uint8Array): void;
}

export interface RandomWords {
  /** A uniform uint32. */
  next(): number;
}

const pooledWords = 4096;

/** Words of a source, asked for in batches: a call of a CSPRNG costs more than the words themselves. */
export function createRandomWords(bytes: RandomBytes): RandomWords {
  const pool = new Uint32Array(pooledWords);
  const view = new Uint8Array(pool.buffer);
  let at = pooledWords;
  return {
    next() {
      if (at === pooledWords) {
        bytes.fill(view);
        at = 0;
      }
      const word = pool[at] as number;
      pool[at++] = 0;
      return word;
    },
  };
}
