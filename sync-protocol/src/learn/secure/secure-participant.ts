// A client’s masked round as the device holds it: one attempt at a time, in memory alone, and gone with the process.
//
// A secret on a disk could be read from it, and a disk that was restored or cloned could answer a stage twice: two lists of
// survivors, and with them both secrets of a client. A device that restarts is one more that drops out, which the protocol is
// made for. What must outlive it is which round it has opened: see `opened`.

import { err, failure, ok, type Result } from '@skerry/shared';
import {
  type ClientPorts,
  type ClientState,
  forgetSecrets,
  type SecurePolicy,
} from './client-state.ts';
import { joinSecureRound, takeFromServer } from './secure-client.ts';
import type { SecurePlan, SecureSession } from './secure-plan.ts';

/** Runs whose last opened round is remembered. */
const runsMax = 256;

/** The rounds in which this device has helped to open a sum, one number for each run. Durable when `add` returns. */
export interface OpenedRounds {
  /** The highest; -1 for none. */
  last(run: string): number;
  add(run: string, round: number): Result<void>;
}

export interface SecureParticipant {
  /** What the server is told first. An attempt that was under way is given up. */
  join(session: SecureSession, plan: SecurePlan): Result<Uint8Array>;
  /** The reply to a stage. `input` is the quantised update, needed at that stage alone. */
  take(session: SecureSession, bytes: Uint8Array, input?: Uint32Array): Result<Uint8Array>;
  /** Where the attempt stands; `undefined` for none. */
  stage(): ClientState['stage'] | undefined;
  close(): void;
}

export function createSecureParticipant(
  client: string,
  policy: SecurePolicy,
  ports: ClientPorts & { readonly opened: OpenedRounds },
): SecureParticipant {
  let state: ClientState | undefined;
  const replace = (next: ClientState | undefined): void => {
    if (state !== undefined && !(next !== undefined && 'secrets' in next)) forgetSecrets(state);
    state = next;
  };

  return {
    join(session, plan) {
      // The same update in two opened sums is told from their difference. [SEC10]
      if (session.round <= ports.opened.last(session.run))
        return err(
          failure('permission_denied', `round ${session.round} has been opened with this device`),
        );
      const joined = joinSecureRound(client, session, plan, policy, ports);
      if (!joined.ok) return joined;
      replace(undefined);
      replace(joined.value.state);
      return ok(joined.value.reply);
    },

    take(session, bytes, input) {
      if (state === undefined || !isOf(state, session))
        return err(failure('expired', 'this attempt is not known here, or no longer'));
      const { state: next, reply } = takeFromServer(state, bytes, ports, input);
      if (next.stage === 'revealed' && state.stage !== 'revealed') {
        const added = ports.opened.add(session.run, session.round);
        if (!added.ok) return added;
      }
      replace(next);
      return reply;
    },

    stage: () => state?.stage,
    close: () => replace(undefined),
  };
}

const isOf = ({ session }: ClientState, { run, round, attempt }: SecureSession): boolean =>
  session.run === run && session.round === round && session.attempt === attempt;

/** For who needs none beyond this process. */
export function createMemoryOpenedRounds(): OpenedRounds {
  const rounds = new Map<string, number>();
  return {
    last: (run) => rounds.get(run) ?? -1,
    add(run, round) {
      rounds.delete(run);
      rounds.set(run, round);
      const [oldest] = rounds.keys();
      if (rounds.size > runsMax && oldest !== undefined) rounds.delete(oldest);
      return ok(undefined);
    },
  };
}
