// One life of a coordinator that may kill itself, seen from outside: a process that is asked over a channel, and that is gone
// in the midst of a question.

import { type ChildProcess, fork } from 'node:child_process';
import type { BaseModel, LearnDevice, RunPlanInput } from '@skerry/cloud-coordinator/runs';
import type { BlobRef } from '@skerry/sync-protocol/blobs';

/** At which commit of the run's log, counted from the process's start: within its transaction, or when it is durable. */
export interface Death {
  readonly at: number;
  readonly when: 'before' | 'after';
}

export interface Setup {
  readonly folder: string;
  readonly death: Death | undefined;
  readonly base: BaseModel;
  readonly devices: readonly LearnDevice[];
  /** By device, the key by which its words in masked rounds are known. */
  readonly credentials: Readonly<Record<string, Uint8Array>>;
}

export type Question =
  | { readonly of: 'setup'; readonly setup: Setup }
  | { readonly of: 'start'; readonly plan: RunPlanInput }
  | { readonly of: 'turn' }
  | { readonly of: 'view'; readonly run: string }
  | { readonly of: 'ops' | 'blobs'; readonly method: string; readonly args: readonly unknown[] };
export type Call = Question & { readonly id: number; readonly nowMs: number };

export interface View {
  /** The kinds of the records that this life has committed, an entry a commit. */
  readonly appends: readonly string[];
  readonly phase?: string;
  readonly reason?: string | undefined;
  readonly parameters?: BlobRef;
  /** Rounds that the privacy ledger has paid for. */
  readonly committed: number;
  /** Keys of noise that are still there. */
  readonly noiseKeys: number;
}

export interface CoordinatorLife {
  /** `undefined`: it has died, now or before. Throws what it threw. */
  ask(question: Question, nowMs: number): Promise<{ readonly value: unknown } | undefined>;
  end(): Promise<void>;
}

/** What is run is what is shipped, also under a test. */
const main = new URL('../../../dist/kill-matrix/learning/mortal-coordinator.js', import.meta.url);
const living = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of living) child.kill('SIGKILL');
});

interface Reply {
  readonly id: number;
  readonly value?: unknown;
  readonly thrown?: string;
}

export function beginLife(): CoordinatorLife {
  const child = fork(main, { serialization: 'advanced', execArgv: [] });
  living.add(child);
  const open = new Map<number, (reply: Reply | Error | undefined) => void>();
  let asked = 0;
  let isOver = false;
  const exited = new Promise<void>((resolve) => {
    child.once('exit', (code, signal) => {
      living.delete(child);
      isOver = true;
      const why = signal === 'SIGKILL' ? undefined : new Error(`it ended by ${signal ?? code}`);
      for (const answer of open.values()) answer(why);
      resolve();
    });
  });
  child.on('message', (reply: Reply) => {
    open.get(reply.id)?.(reply);
    open.delete(reply.id);
  });
  return {
    async ask(question, nowMs) {
      if (isOver) return undefined;
      const id = asked++;
      const reply = await new Promise<Reply | Error | undefined>((resolve) => {
        open.set(id, resolve);
        child.send({ ...question, id, nowMs }, () => {});
      });
      if (reply instanceof Error) throw reply;
      if (reply?.thrown !== undefined) throw new Error(reply.thrown);
      return reply && { value: reply.value };
    },
    async end() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
