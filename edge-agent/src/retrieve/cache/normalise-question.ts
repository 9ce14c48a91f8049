// Two questions that are one: but for case, spaces and the marks around it.

/** In compatibility form and lower case, with single spaces, and without marks at its ends. */
export const normaliseQuestion = (question: string): string =>
  question
    .normalize('NFKC')
    .toLowerCase()
    .replace(/\s+/g, ' ')
    .replace(/^[\s.,;:!?¿¡"'“”„‘’]+|[\s.,;:!?"'“”„‘’]+$/g, '');
