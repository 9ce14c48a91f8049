// What a device answers of its own digits, by itself: nothing is asked of the cloud, and what it had wrong stays wrong.

import { inferDigit } from '../fleet/agent-client.ts';
import type { LearningDevice } from './open-fleet.ts';
import type { DeviceDigits } from './tilted-digits.ts';

export interface Score {
  readonly right: number;
  readonly of: number;
}

const atOnce = 8;

/** `turn` tells requests of one exam from those of another. */
export async function examine(
  device: LearningDevice,
  { exam }: DeviceDigits,
  turn: string,
): Promise<Score> {
  let right = 0;
  await inTurns(exam, async ({ id, pixels, truth }) => {
    const { label } = await inferDigit(device.agent().httpUrl, `${turn}-${id}`, pixels, {
      skerry_policy: 'edge-only',
    });
    if (label === truth) right += 1;
  });
  return { right, of: exam.length };
}

/** An app asks, and a person says what each was. */
export async function teach(device: LearningDevice, { seen }: DeviceDigits): Promise<number> {
  let kept = 0;
  await inTurns(seen, async ({ id, pixels, truth }) => {
    const { httpUrl } = device.agent();
    const { requestId } = await inferDigit(httpUrl, id, pixels, { skerry_policy: 'edge-only' });
    const response = await fetch(`${httpUrl}/v1/examples`, {
      method: 'POST',
      body: JSON.stringify({ request_id: requestId, label: truth }),
    });
    if (!response.ok)
      throw new Error(`${device.name}: ${response.status} ${await response.text()}`);
    kept += 1;
  });
  return kept;
}

async function inTurns<Item>(
  items: readonly Item[],
  act: (item: Item) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) await act(items[next++] as Item);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}
