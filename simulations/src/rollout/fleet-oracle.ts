// What must hold of a fleet under a rollout, from what the devices truly did: the oracle looks at them and at the log, and
// believes neither the state nor the gate.

import type { RolloutState } from '@skerry/cloud-coordinator/rollouts';
import type { ModelFleet } from '@skerry/cloud-coordinator/testing';

export interface FleetViolation {
  readonly rule: 'FLT1' | 'FLT2' | 'FLT3' | 'FLT4' | 'FLT5';
  readonly detail: string;
}

const minuteMs = 60_000;
/** After an order to turn back, a device that is there has heard it within this. */
const turnWithinMs = 5 * minuteMs;

export interface FleetOracle {
  /** Of now; the first that does not hold. */
  check(state: RolloutState, nowMs: number): FleetViolation | undefined;
}

export function createFleetOracle(fleet: ModelFleet, candidate: string): FleetOracle {
  let fetchesChecked = 0;
  let judgedAtMs: number | undefined;
  const onlineSince = new Map<string, number>();

  const checkSuccesses = ({ members }: RolloutState): FleetViolation | undefined => {
    for (const [device, { progress }] of members)
      if (progress.kind === 'succeeded' && fleet.find(device)?.ended(candidate) !== 'confirmed')
        return { rule: 'FLT1', detail: `${device} counts as succeeded and never confirmed` };
    return undefined;
  };

  /** Where a gate has spoken: it counted no more devices than have truly ended, or are silent in their fetch. */
  const checkDenominator = ({ verdict }: RolloutState): FleetViolation | undefined => {
    if (verdict === undefined || verdict.atMs === judgedAtMs) return undefined;
    judgedAtMs = verdict.atMs;
    const executed = fleet.devices.filter(
      (each) => each.ended(candidate) !== undefined || each.isFetching(),
    ).length;
    const counted = verdict.evidence.find(({ sign }) => sign === 'failed devices')?.devices ?? 0;
    return counted <= executed
      ? undefined
      : {
          rule: 'FLT2',
          detail: `the gate counted ${counted} devices, and ${executed} have executed`,
        };
  };

  const checkWaves = ({ phase, members }: RolloutState): FleetViolation | undefined => {
    if (phase.kind !== 'running') return undefined;
    for (const [device, { wave, issues }] of members)
      if (wave > phase.wave && (issues > 0 || fleet.find(device)?.running() === candidate))
        return { rule: 'FLT3', detail: `${device} of wave ${wave} got it in wave ${phase.wave}` };
    return undefined;
  };

  const checkTurned = (
    { phase, members }: RolloutState,
    nowMs: number,
  ): FleetViolation | undefined => {
    const turning = phase.kind === 'rolling-back' || phase.kind === 'rolled-back';
    for (const device of fleet.devices)
      if (!device.online) onlineSince.delete(device.name);
      else if (!onlineSince.has(device.name)) onlineSince.set(device.name, nowMs);
    if (!turning) return undefined;
    for (const [device, { progress }] of members)
      if (progress.kind === 'succeeded')
        return { rule: 'FLT4', detail: `${device} had confirmed and is left out of the rollback` };
    for (const device of fleet.devices) {
      const since = Math.max(
        phase.sinceMs,
        onlineSince.get(device.name) ?? Number.POSITIVE_INFINITY,
      );
      if (device.running() === candidate && nowMs - since > turnWithinMs)
        return { rule: 'FLT4', detail: `${device.name} is heard and runs the quarantined bundle` };
    }
    return undefined;
  };

  /** Over every minute, wherever it begins. */
  const checkHerd = ({ plan }: RolloutState): FleetViolation | undefined => {
    const { fetches } = fleet;
    const limit = plan.herd.fetchesPerMinute;
    const fresh = fetches
      .slice(Math.max(0, fetchesChecked - limit))
      .map(({ atMs }) => atMs)
      .sort((a, b) => a - b);
    fetchesChecked = fetches.length;
    for (let i = limit; i < fresh.length; i++) {
      const tookMs = (fresh[i] ?? 0) - (fresh[i - limit] ?? 0);
      if (tookMs < minuteMs)
        return {
          rule: 'FLT5',
          detail: `${limit + 1} fetches in ${tookMs} ms, ${limit} a minute may be`,
        };
    }
    return undefined;
  };

  return {
    check: (state, nowMs) =>
      checkSuccesses(state) ??
      checkDenominator(state) ??
      checkWaves(state) ??
      checkTurned(state, nowMs) ??
      checkHerd(state),
  };
}
