// The sessions that a runtime has open: each leaves when it is closed, and the rest are closed with the runtime.

import type { Session } from './runtime.ts';

export interface OpenSessions {
  /** The same session, known here until it is closed. */
  hold(session: Session): Session;
  closeAll(): Promise<void>;
}

export function createOpenSessions(): OpenSessions {
  const sessions = new Set<Session>();
  return {
    hold(session) {
      const held: Session = {
        ...session,
        async close() {
          if (sessions.delete(held)) await session.close();
        },
      };
      sessions.add(held);
      return held;
    },
    async closeAll() {
      await Promise.all([...sessions].map((session) => session.close()));
    },
  };
}
