// What holds for every device, with or without a rollout: bundles that nobody may run, and the emergency stop.

import { quarantinedMax } from '@skerry/sync-protocol/update';
import type { Folding } from '../../event-log/folding.ts';
import { claimsMax, type FleetEvent } from './rollout-event.ts';

interface Claim {
  readonly rollout: string;
  readonly atMs: number;
}

export interface FleetState {
  /** By bundle, why. The oldest goes when there are more than an assignment can name. */
  readonly quarantined: ReadonlyMap<string, string>;
  readonly stopped:
    | { readonly by: string; readonly reason: string; readonly atMs: number }
    | undefined;
  /** By model, the rollout that was to begin last, the newest last: a claim matters for a minute. */
  readonly claims: ReadonlyMap<string, Claim>;
}

export const calmFleet: FleetState = {
  quarantined: new Map(),
  stopped: undefined,
  claims: new Map(),
};

export function nextFleet(state: FleetState, event: FleetEvent): FleetState {
  switch (event.kind) {
    case 'claimed': {
      const { model, rollout, atMs } = event;
      const others = [...state.claims].filter(([name]) => name !== model);
      const claims = [...others, [model, { rollout, atMs }] as const].slice(-claimsMax);
      return { ...state, claims: new Map(claims) };
    }
    case 'stopped':
      return { ...state, stopped: { by: event.by, reason: event.reason, atMs: event.atMs } };
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
    case 'folded': {
      const { quarantined, stopped, claims } = event;
      return {
        quarantined: new Map(quarantined.map(({ bundle, reason }) => [bundle, reason])),
        stopped,
        claims: new Map(claims.map(({ model, ...claim }) => [model, claim])),
      };
    }
  }
}

/** [ROL30] All of the state, so that what is in force stays in force. */
export const fleetFolding: Folding<FleetEvent, FleetState> = {
  eventsMax: 1_024,
  eventsKept: 256,
  foldedIn: (event) => (event.kind === 'folded' ? event.folded : undefined),
  make: ({ quarantined, stopped, claims }, folded) => ({
    kind: 'folded',
    folded,
    quarantined: [...quarantined].map(([bundle, reason]) => ({ bundle, reason })),
    ...(stopped && { stopped }),
    claims: [...claims].map(([model, claim]) => ({ model, ...claim })),
  }),
};
