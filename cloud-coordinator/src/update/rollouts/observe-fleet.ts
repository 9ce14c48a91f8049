// From what the registry and the ops say to the events that a rollout's log lacks. Pure: what is there already is no event.

import type { OpenOp } from '@skerry/sync-protocol';
import { selects } from '../../fleet/selection.ts';
import { chunked } from './due-events.ts';
import { waveOf } from './fix-waves.ts';
import { answersRevert, type Member } from './member.ts';
import type { FleetDevice } from './ports.ts';
import type { RolloutEvent } from './rollout-event.ts';
import type { RolloutState } from './rollout-state.ts';

const hasEnded: ReadonlySet<string> = new Set(['completed', 'aborted', 'rolled-back']);
const settled: ReadonlySet<string> = new Set(['succeeded', 'failed', 'refused', 'control', 'safe']);

/**
 * That such a device has gone away again changes nothing in a rollout that is over, and devices come and go for years. [ROL29]
 * That it is there is written: who is taken for away would not be waited for when the rollout is undone.
 */
const isSettledAway = ({ progress, online }: Member): boolean =>
  online && settled.has(progress.kind);

/** A rollout that turns back, or is over without success, takes nobody new. */
const closed: ReadonlySet<string> = new Set(['aborted', 'rolling-back', 'rolled-back']);

export function joinedFrom(
  { plan, waves, members, phase }: RolloutState,
  devices: readonly FleetDevice[],
  atMs: number,
): readonly RolloutEvent[] {
  if (closed.has(phase.kind)) return [];
  const fresh = devices
    .filter((each) => !members.has(each.device) && selects(plan.select, each))
    .map((each) => {
      const { device, site, online, running } = each;
      const runs = running[plan.model];
      const wave = waveOf(plan.id, waves, each);
      return { device, site, online, wave, ...(runs === undefined ? {} : { running: runs }) };
    });
  return chunked(fresh).map((each) => ({ kind: 'joined', atMs, members: each }));
}

export function heardFrom(
  { plan, candidate, members, phase }: RolloutState,
  devices: readonly FleetDevice[],
  isClaimed: (device: string) => boolean,
  atMs: number,
): readonly RolloutEvent[] {
  const { digest } = candidate.bundle;
  const news = devices.flatMap(({ device, online, running, seenMs }) => {
    const member = members.get(device);
    if (member === undefined) return [];
    const { progress } = member;
    // Who is to be turned back is waited for, also where a later rollout leads it away.
    if (progress.kind !== 'reverting' && isClaimed(device)) return [];
    // What it said before it reported that it had let go says nothing of now.
    const isOld = progress.kind === 'safe' && seenMs <= progress.atMs;
    const runs = isOld ? undefined : running[plan.model];
    const isNews =
      (member.online !== online && !(hasEnded.has(phase.kind) && isSettledAway(member))) ||
      (runs !== undefined && member.running !== runs) ||
      (progress.kind === 'under-way' && progress.state === 'confirmed' && runs === digest) ||
      (runs !== digest && answersRevert(member, runs, seenMs));
    if (!isNews) return [];
    return [{ device, online, seenMs, ...(runs === undefined ? {} : { running: runs }) }];
  });
  return chunked(news).map((each) => ({ kind: 'heard', atMs, devices: each }));
}

/** What was reported of the candidate. What this rollout did not ask for is told by its bundle. */
export function reportedFrom(
  { plan, candidate, members }: RolloutState,
  ops: readonly OpenOp[],
  atMs: number,
): readonly RolloutEvent[] {
  const reports = ops.flatMap(({ id, device, body }) => {
    if (body.kind !== 'update-report' || body.model !== plan.model) return [];
    if (body.bundle !== candidate.bundle.digest) return [];
    const member = members.get(device);
    if (member === undefined || id <= member.lastOp) return [];
    // A later rollout of the same bundle has its own log.
    if (body.rollout !== undefined && body.rollout !== plan.id) return [];
    const { state, reason, running, arm, health, baseline } = body;
    return [
      {
        device,
        op: id,
        state,
        ...(reason === undefined
          ? {}
          : {
              code: reason.code,
              reason: `${reason.code}: ${reason.message}`.slice(0, reasonCharsMax),
            }),
        ...(running === undefined ? {} : { running }),
        ...(arm === undefined ? {} : { arm }),
        ...(health === undefined ? {} : { health }),
        ...(baseline === undefined ? {} : { baseline }),
      },
    ];
  });
  return chunked(reports).map((each) => ({ kind: 'reported', atMs, reports: each }));
}

const reasonCharsMax = 512;
