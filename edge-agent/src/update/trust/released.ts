// When this program was released: no device that runs it lives before that. Raised with each release.

/** 1 November 2026, UTC. */
export const releasedMs = 1_793_491_200_000;
