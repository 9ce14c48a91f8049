// Frames that devices really send, each with one bit flipped on the way, to a hub that holds documents: how many it takes,
// and how many end it. Afterwards it must take the same frames as they were.

import { createRandom, defined } from '@skerry/shared';
import { createDocumentFleet } from '@skerry/sync-protocol/testing';

export interface DocumentFlipsOptions {
  readonly flips: number;
  readonly seed: number;
}

export interface DocumentFlips {
  readonly flips: number;
  readonly accepted: number;
  readonly crashes: number;
}

const site = 'site/default';
const edits = 20;
/** For the device to make its frame. */
const waitsMax = 1_000;
const waitMs = 5;

export async function documentFlips({ flips, seed }: DocumentFlipsOptions): Promise<DocumentFlips> {
  const fleet = await createDocumentFleet(['a', 'b']);
  try {
    await fleet.exchange();
    for (let i = 0; i < edits; i++)
      await fleet.device('a').patch(site, { door: i, [`k${i}`]: 'x' });
    const { outbox } = fleet.device('a');
    for (let i = 0; outbox.length === 0 && i < waitsMax; i++)
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    const frames = [...outbox];
    const random = createRandom(seed);
    let accepted = 0;
    let crashes = 0;
    for (let i = 0; i < flips; i++) {
      const op = defined(frames[i % frames.length], 'a frame');
      const frame = op.frame.slice();
      const place = random.below(frame.length);
      frame[place] = defined(frame[place], 'a byte') ^ (1 << random.below(8));
      const refused = fleet.refused.length;
      try {
        await fleet.hub.receive('a', { ...op, frame });
        if (fleet.refused.length !== refused + 1) accepted++;
      } catch {
        crashes++;
      }
    }
    // Where something damaged was accepted it stands in the frames' place, and the count says enough.
    if (accepted + crashes === 0) {
      await fleet.exchange();
      const held = await fleet.hub.read(site);
      if (!held.ok || held.value.value['door'] !== edits - 1)
        throw new Error('the hub does not hold what it was sent whole');
    }
    return { flips, accepted, crashes };
  } finally {
    await fleet.close();
  }
}
