// What holds for every device, with or without a rollout: bundles that nobody may run, and the emergency stop.

import { quarantinedMax } from '@skerry/sync-protocol/update';
import type { FleetEvent } from './rollout-event.ts';

export interface FleetState {
  /** By bundle, why. The oldest goes when there are more than an assignment can name. */
  readonly quarantined: ReadonlyMap<string, string>;
  readonly stopped:
    | { readonly by: string; readonly reason: string; readonly atMs: number }
    | undefined;
  /** By model, the rollout that was to begin last. */
  readonly claims: ReadonlyMap<string, { readonly rollout: string; readonly atMs: number }>;
}

export const calmFleet: FleetState = {
  quarantined: new Map(),
  stopped: undefined,
  claims: new Map(),
};

export function nextFleet(state: FleetState, event: FleetEvent): FleetState {
  const { by, atMs } = event;
  switch (event.kind) {
    case 'claimed': {
      const { model, rollout } = event;
      return { ...state, claims: new Map(state.claims).set(model, { rollout, atMs }) };
    }
    case 'stopped':
      return { ...state, stopped: { by, reason: event.reason, atMs } };
    case 'resumed':
      return { ...state, stopped: undefined };
    case 'quarantined': {
      const quarantined = new Map(state.quarantined).set(event.bundle, event.reason);
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
