import { describe, expect, it } from 'vitest';
import { createAdmission } from './admission.ts';

describe('admission', () => {
  it('refuses beyond its bound, says when to come back, and admits again', () => {
    let nowMs = 0;
    const admission = createAdmission(2, () => nowMs);
    const first = admission.enter();
    nowMs = 10;
    if (first.ok) first.value.leave();
    const tickets = [admission.enter(), admission.enter()];
    expect(tickets.every((t) => t.ok)).toBe(true);
    // Two inside, ten milliseconds each as measured.
    expect(admission.enter()).toMatchObject({ error: { code: 'overloaded', retryAfterMs: 20 } });
    for (const ticket of tickets) if (ticket.ok) ticket.value.leave();
    expect(admission.enter().ok).toBe(true);
  });

  it('counts a ticket that is given back twice once', () => {
    const admission = createAdmission(1, () => 0);
    const ticket = admission.enter();
    if (!ticket.ok) throw new Error('refused');
    ticket.value.leave();
    ticket.value.leave();
    expect(admission.waiting()).toBe(0);
  });
});
