import packageJson from '../../package.json' with { type: 'json' }

/** Of this podrole, as semver.org writes it. */
export const VERSION: string = packageJson.version
