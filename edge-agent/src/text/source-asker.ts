// Asks one source of texts after the other until one answers: decides, asks whom the decision names, and decides again
// without whoever has failed. Before the first byte alone: an answer that has begun is the one that is given.

import type { ChatReply, EmbeddingsReply, TextDecision, TextTerms } from '@skerry/models/openai';
import {
  type Clock,
  createId,
  err,
  type Failure,
  failure,
  ok,
  type Random,
  type Result,
} from '@skerry/shared';
import { createLatencyWindow } from '@skerry/shared/resilience';
import type { Decision, Policy } from '../route/decide.ts';
import type { Router } from '../route/router.ts';
import { nextSource, type TextSource } from './next-source.ts';

export interface Question<R extends ChatReply | EmbeddingsReply> {
  /** What it takes to ask the cloud. */
  readonly bytes: number;
  /** That the local model's answer will do; 0 where nobody can tell. */
  readonly confidence?: number;
  /** From which it may be trusted; null: never. */
  readonly threshold: number | null;
  /** Who could answer. */
  readonly sources: readonly TextSource[];
  ask(source: TextSource, terms: TextTerms): Promise<Result<R>>;
}

export interface SourceAskerPorts {
  readonly router: Router;
  readonly clock: Clock;
  readonly random: Random;
  onAnswer(decision: TextDecision): void;
}

export type SourceAsker = <R extends ChatReply | EmbeddingsReply>(
  question: Question<R>,
  policy: Policy,
  terms: TextTerms,
) => Promise<Result<R>>;

/** Where nobody has said when to come again. */
const retryAfterMs = 5_000;
/** Of the time that is left, kept for the local model while nothing is known of how long it takes. */
const localShare = 0.5;

export function createSourceAsker({
  router,
  clock,
  random,
  onAnswer,
}: SourceAskerPorts): SourceAsker {
  const localMs = createLatencyWindow();

  const decide = (
    { bytes, threshold, confidence = 0 }: Omit<Question<ChatReply>, 'ask' | 'sources'>,
    left: ReadonlySet<TextSource>,
    policy: Policy,
    leftMs: number,
  ): Decision => {
    const hasLocal = left.has('local');
    const reserveMs = hasLocal ? (localMs.quantileMs(0.95) ?? leftMs * localShare) : 0;
    return router.decide({
      policy,
      confidence: hasLocal ? confidence : 0,
      threshold: hasLocal ? threshold : null,
      hasNextEdgeStage: false,
      hasCloudStage: left.has('cloud'),
      deadlineLeftMs: leftMs - reserveMs,
      cutBytes: bytes,
    });
  };

  /** @param counted somebody else can answer instead: the breaker has a say, and hears how it went */
  const askCloud = async <R extends ChatReply | EmbeddingsReply>(
    question: Question<R>,
    terms: TextTerms,
    counted: boolean,
  ): Promise<Result<R>> => {
    if (counted && !router.mayWait())
      return err(failure('unavailable', 'the cloud keeps missing deadlines'));
    const id = createId(clock.nowMs(), random);
    router.spent(id, question.bytes, question.bytes);
    const reply = await question.ask('cloud', terms);
    if (reply.ok) router.answered(id);
    if (counted && !terms.signal?.aborted) router.waited(reply.ok || !reply.error.retryable);
    return reply;
  };

  const askLocal = async <R extends ChatReply | EmbeddingsReply>(
    question: Question<R>,
    terms: TextTerms,
  ): Promise<Result<R>> => {
    const startedMs = clock.monotonicMs();
    const reply = await question.ask('local', terms);
    if (reply.ok) localMs.observe(clock.monotonicMs() - startedMs);
    return reply;
  };

  return async (question, policy, { leftMs, signal }) => {
    const untilMs = clock.monotonicMs() + leftMs;
    const left = new Set(question.sources);
    const failed: string[] = [];
    let last: Failure | undefined;
    for (;;) {
      const nowLeftMs = untilMs - clock.monotonicMs();
      const decided = decide(question, left, policy, nowLeftMs);
      const source = nextSource(decided, left);
      if (source === undefined)
        return err(withRetryAfter(last ?? failure('unavailable', decided.reason)));
      left.delete(source);
      const isInTime = decided.kind === 'escalate';
      const terms = { leftMs: isInTime ? decided.waitMs : nowLeftMs, ...(signal && { signal }) };
      const reply =
        source === 'cloud'
          ? await askCloud(question, terms, isInTime)
          : source === 'local'
            ? await askLocal(question, terms)
            : await question.ask(source, terms);
      if (reply.ok) {
        const { confidence } = question;
        const decision: TextDecision = {
          source,
          reason: failed.length > 0 ? failed.join(', ') : decided.reason,
          degraded: source === 'answers' || (source === 'local' && decided.kind !== 'exit'),
          ...(confidence === undefined ? {} : { confidence }),
        };
        onAnswer(decision);
        return ok({ ...reply.value, decision });
      }
      if (signal?.aborted || (source === 'cloud' && isTheQuestions(reply.error))) return reply;
      failed.push(`${source} ${reply.error.code}`);
      if (last === undefined || (reply.error.retryable && source !== 'answers')) last = reply.error;
    }
  };
}

/** Whoever else is asked would find the same. */
const isTheQuestions = ({ code }: Failure): boolean =>
  code === 'invalid_argument' || code === 'too_large';

const withRetryAfter = (failed: Failure): Failure =>
  failed.retryable ? { retryAfterMs, ...failed } : failed;
