// One after another, by key: what is asked of one document waits for what was asked of it before.

export interface Turns {
  take<T>(key: string, action: () => Promise<T>): Promise<T>;
}

export function createTurns(): Turns {
  const last = new Map<string, Promise<unknown>>();
  return {
    take(key, action) {
      const before = last.get(key) ?? Promise.resolve();
      const turn = before.then(action, action);
      const settled = turn.then(
        () => {},
        () => {},
      );
      last.set(key, settled);
      void settled.then(() => {
        if (last.get(key) === settled) last.delete(key);
      });
      return turn;
    },
  };
}
