// A value of the configuration with more to it than a word: as it is in the file, or as its JSON in a flag or a variable.

import { z } from 'zod';

export const orItsJson = <S extends z.ZodType>(schema: S) =>
  z.preprocess((given, context) => {
    if (typeof given !== 'string') return given;
    try {
      return JSON.parse(given);
    } catch {
      context.addIssue('expected JSON');
      return z.NEVER;
    }
  }, schema);
