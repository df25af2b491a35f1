/** What the steps of a rotation do, wherever the keys are: in a folder, or at a broker. */
export const ROTATION_STEPS = {
  prepare: 'make the next key, publish it and see it from outside; it does not sign yet',
  activate: 'have the prepared key sign, once it was seen from outside and has settled',
  retire: 'unpublish and delete the keys that no live token can name',
  abort: 'take the last step back: a prepared key goes, or the key from before signs again',
} as const

export const ROTATION_PLAN = 'show what each command would do now, and what it waits for'
