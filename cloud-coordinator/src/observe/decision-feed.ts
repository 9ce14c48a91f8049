// The latest decisions of the whole fleet, as they come in with the devices' statuses. The pipe may repeat a status; each
// decision is told once all the same. It is a window for people to look through, and nothing is built on it.

import { err, failure, ok, type Result } from '@skerry/shared';
import type { DeviceStatus } from '@skerry/sync-protocol';

export type Decision = DeviceStatus['recent'][number] & { readonly device: string };

export interface DecisionFeed {
  publish(device: string, recent: DeviceStatus['recent']): void;
  /** Calls `listener` with what is known already, then with each new decision. Fails with `overloaded`. */
  subscribe(listener: (decision: Decision) => void): Result<() => void>;
}

export interface DecisionFeedLimits {
  readonly decisionsMax: number;
  readonly subscribersMax: number;
}

export function createDecisionFeed(limits: DecisionFeedLimits): DecisionFeed {
  const listeners = new Set<(decision: Decision) => void>();
  /** What each device told last, newest last. */
  const toldBy = new Map<string, ReadonlySet<string>>();
  let latest: readonly Decision[] = [];

  return {
    publish(device, recent) {
      const told = toldBy.get(device);
      const fresh = recent
        .filter((decision) => !told?.has(keyOf(decision)))
        .map((decision): Decision => ({ ...decision, device }));
      toldBy.set(device, new Set(recent.map(keyOf)));
      latest = [...latest, ...fresh].slice(-limits.decisionsMax);
      for (const decision of fresh) for (const listener of listeners) listener(decision);
    },
    subscribe(listener) {
      if (listeners.size >= limits.subscribersMax)
        return err(failure('overloaded', `${limits.subscribersMax} watch already`));
      for (const decision of latest) listener(decision);
      listeners.add(listener);
      return ok(() => listeners.delete(listener));
    },
  };
}

/** A request may be decided twice: at the edge, and again when the cloud's answer comes late. */
const keyOf = ({ requestId, source, atMs }: DeviceStatus['recent'][number]): string =>
  `${requestId} ${source} ${atMs}`;
