// Who is asked in a round: each client on its own, by a coin of the CSPRNG. The accountant's amplification is proved for this
// sampler; a sample of a fixed size, or a shuffled list taken in turn, is another mechanism with another ε.

import { assert } from '@skerry/shared';
import { createRandomWords, type RandomBytes } from '@skerry/shared/privacy';

/** In the order in which they were given. Who is in a sample must not be told to whom it would tell more than the model. */
export function samplePoisson<Client>(
  clients: readonly Client[],
  samplingRate: number,
  bytes: RandomBytes,
): readonly Client[] {
  assert(samplingRate > 0 && samplingRate <= 1, 'a sampling rate lies in 0…1');
  const words = createRandomWords(bytes);
  // 53 bits: all that a double tells apart in 0…1.
  const uniform = (): number => (words.next() * 2 ** 21 + (words.next() >>> 11)) / 2 ** 53;
  return clients.filter(() => uniform() < samplingRate);
}
