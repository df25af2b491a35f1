/** Shapes of the IAM service model (2010-05-08). */
const NAME = '[\\w+=,.@-]+'

export const ROLE_NAME = { required: true, min: 1, max: 64, pattern: NAME }
/** Of a user that is to be made; one that exists may have been named longer. */
export const NEW_USER_NAME = { required: true, min: 1, max: 64, pattern: NAME }
export const USER_NAME = { required: true, min: 1, max: 128, pattern: NAME }
export const GROUP_NAME = { required: true, min: 1, max: 128, pattern: NAME }
export const PROFILE_NAME = { required: true, min: 1, max: 128, pattern: NAME }
export const PATH = { min: 1, max: 512, pattern: '(\\u002F)|(\\u002F[\\u0021-\\u007E]+\\u002F)' }
export const PATH_PREFIX = { min: 1, max: 512, pattern: '\\u002F[\\u0021-\\u007F]*' }
export const POLICY_NAME = { required: true, min: 1, max: 128, pattern: NAME }
export const POLICY_ARN = { required: true, min: 20, max: 2048 }
export const ACCESS_KEY_ID = { required: true, min: 16, max: 128, pattern: '[\\w]+' }
export const DOCUMENT = {
  required: true,
  min: 1,
  max: 131_072,
  pattern: '[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+',
}
