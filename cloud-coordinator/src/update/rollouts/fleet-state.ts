// What holds for every device, with or without a rollout: bundles that nobody may run, and the emergency stop.

import { quarantinedMax } from '@skerry/sync-protocol/update';
import type { FleetEvent } from './rollout-event.ts';

export interface FleetState {
  /** By bundle, why. The oldest goes when there are more than an assignment can name. */
  readonly quarantined: ReadonlyMap<string, string>;
  readonly stopped:
    | { readonly by: string; readonly reason: string; readonly atMs: number }
    | undefined;
}

export const calmFleet: FleetState = { quarantined: new Map(), stopped: undefined };

export function nextFleet(state: FleetState, event: FleetEvent): FleetState {
  const { by, reason, atMs } = event;
  switch (event.kind) {
    case 'stopped':
      return { ...state, stopped: { by, reason, atMs } };
    case 'resumed':
      return { ...state, stopped: undefined };
    case 'quarantined': {
      const quarantined = new Map(state.quarantined).set(event.bundle, reason);
      const [oldest] = quarantined.keys();
      if (quarantined.size > quarantinedMax && oldest !== undefined) quarantined.delete(oldest);
      return { ...state, quarantined };
    }
    case 'released': {
      const quarantined = new Map(state.quarantined);
      quarantined.delete(event.bundle);
      return { ...state, quarantined };
    }
  }
}
