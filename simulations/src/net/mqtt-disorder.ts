// A link that delivers MQTT messages twice and out of order, both ways, as brokers and their bridges do. Only PUBLISH is
// touched, and whole: the stream stays valid MQTT. What is drawn follows from the seed; when it happens, from the clock.

import type { Random } from '@skerry/shared';
import { createFrameCutter, isPublish } from './mqtt-frames.ts';
import type { Shaper } from './tcp-proxy.ts';

export interface Disorder {
  readonly repeatedShare: number;
  readonly delayedShare: number;
  /** How long a message, or its second copy, waits at most, while others pass it. */
  readonly delayMsMax: number;
}

export const usualDisorder: Disorder = {
  repeatedShare: 0.5,
  delayedShare: 0.5,
  delayMsMax: 60,
};

/** @param onDisorder a message was repeated or held back */
export function createMqttDisorder(
  random: Random,
  { repeatedShare, delayedShare, delayMsMax }: Disorder,
  onDisorder: (what: 'repeated' | 'delayed') => void,
): () => Shaper {
  const later = (action: () => void): void => {
    setTimeout(action, 1 + random.below(delayMsMax)).unref();
  };
  return () => {
    const cut = createFrameCutter();
    return (chunk, forward) => {
      for (const frame of cut(chunk)) {
        const isDelayed = isPublish(frame) && random.next() < delayedShare;
        const isRepeated = isPublish(frame) && random.next() < repeatedShare;
        if (isDelayed) later(() => forward(frame));
        else forward(frame);
        if (isRepeated) later(() => forward(frame));
        if (isDelayed) onDisorder('delayed');
        if (isRepeated) onDisorder('repeated');
      }
    };
  };
}
