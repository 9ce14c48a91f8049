import { describe, expect, it } from 'vitest';
import { agentConfigOf, parseTarget } from './target.ts';
import { targets } from './targets.ts';

describe.each(targets)('$name', (target) => {
  it('obeys the schema of a profile, agent configuration included', () => {
    expect(parseTarget(target)).toEqual({ ok: true, value: target });
  });

  it('makes a whole configuration of the agent', () => {
    expect(agentConfigOf(target)).toMatchObject({ target: target.name, ...target.agent });
  });
});

const profile = targets[0];

function refusalOf(changed: Record<string, unknown>): string {
  const parsed = parseTarget({ ...profile, ...changed });
  if (parsed.ok) return 'accepted';
  expect(parsed.error.code).toBe('invalid_config');
  return parsed.error.message;
}

describe('a profile of one’s own', () => {
  it('is refused with a typo in a key', () => {
    expect(refusalOf({ executionProvider: ['cpu'] })).toContain('executionProvider');
  });

  it('is refused with a typo in a key of the agent', () => {
    expect(refusalOf({ agent: { thread: 2 } })).toContain('thread');
  });

  it('is refused with a value that the agent would refuse', () => {
    expect(refusalOf({ agent: { threads: 0 } })).toContain('agent.threads');
  });

  it('is refused with an execution provider that nobody knows', () => {
    expect(refusalOf({ executionProviders: ['cpu', 'tpu'] })).toContain('executionProviders.1');
  });

  it('is refused with more threads than cores', () => {
    expect(refusalOf({ cores: 2, agent: { threads: 3 } })).toContain('more threads');
  });

  it('keeps only the keys that it sets', () => {
    const parsed = parseTarget({ ...profile, agent: { threads: '2' } });
    expect(parsed).toMatchObject({ ok: true, value: { agent: { threads: 2 } } });
    expect(parsed.ok && Object.keys(parsed.value.agent)).toEqual(['threads']);
  });
});
