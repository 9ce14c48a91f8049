import { describe, expect, it } from 'vitest';
import { createAdmission } from './admission.ts';

describe('admission', () => {
  it('refuses beyond its bound, says when to come back, and admits again', () => {
    let nowMs = 0;
    const admission = createAdmission(2, () => nowMs);
    const first = admission.enter(1000);
    nowMs = 10;
    if (first.ok) first.value.leave(true);
    const tickets = [admission.enter(1000), admission.enter(1000)];
    expect(tickets.every((t) => t.ok)).toBe(true);
    // Two inside, ten milliseconds each as measured.
    expect(admission.enter(1000)).toMatchObject({
      error: { code: 'overloaded', retryAfterMs: 20 },
    });
    for (const ticket of tickets) if (ticket.ok) ticket.value.leave(true);
    expect(admission.enter(1000).ok).toBe(true);
  });

  it('refuses at once a request whose wait alone would outlast its deadline', () => {
    let nowMs = 0;
    const admission = createAdmission(100, () => nowMs);
    const first = admission.enter(1000);
    nowMs = 50;
    if (first.ok) first.value.leave(true);
    expect(admission.enter(20).ok).toBe(true);
    expect(admission.enter(20)).toMatchObject({ error: { code: 'overloaded', retryAfterMs: 50 } });
    expect(admission.enter(60).ok).toBe(true);
  });

  it('refuses nobody because one request was held up', () => {
    let nowMs = 0;
    const admission = createAdmission(100, () => nowMs);
    for (const servedMs of [1, 400]) {
      const ticket = admission.enter(1000);
      nowMs += servedMs;
      if (ticket.ok) ticket.value.leave(true);
    }
    for (let i = 0; i < 6; i++) expect(admission.enter(250).ok).toBe(true);
  });

  it('learns nothing of the model’s time from a request that it did not serve', () => {
    let nowMs = 0;
    const admission = createAdmission(100, () => nowMs);
    const first = admission.enter(1000);
    const read = admission.enter(1000);
    nowMs = 40;
    if (read.ok) read.value.leave(false);
    nowMs = 50;
    if (first.ok) first.value.leave(true);
    expect(admission.enter(20).ok).toBe(true);
    expect(admission.enter(20)).toMatchObject({ error: { code: 'overloaded', retryAfterMs: 50 } });
  });

  it('counts a ticket that is given back twice once', () => {
    const admission = createAdmission(1, () => 0);
    const ticket = admission.enter(1000);
    if (!ticket.ok) throw new Error('refused');
    ticket.value.leave(true);
    ticket.value.leave(true);
    expect(admission.waiting()).toBe(0);
  });
});
