# What runs in the pod of `podrole verify`, in any POSIX sh with the AWS CLI 1 or 2 beside it. Its
# standard output is the pod's log: lines of the forms that said.ts reads, and nothing that a command
# printed but the reason of a failure.
exec 2>/dev/null

say() { printf 'podrole: %s\n' "$*"; }

for program in aws grep; do
  command -v "$program" >/dev/null || { say no program: "$program"; exit 0; }
done

# The AWS CLI. What it prints stays in the pod.
run() {
  aws --cli-connect-timeout 5 --cli-read-timeout 20 "$@" </dev/null >"$HOME/out" 2>"$HOME/err"
}

# Why it failed: AWS's own sentence, else the last line that is not empty; never what may be a key.
fault() {
  why=
  while IFS= read -r line || [ -n "$line" ]; do
    case $why in *'An error occurred ('*) break ;; esac
    [ -z "$line" ] || why=$line
  done <"$HOME/err"
  case $why in
    *AKIA* | *ASIA* | *eyJ* | *IQoJ*) why='not told, since it may hold a credential' ;;
    '') why='it said nothing' ;;
  esac
  printf '%.400s' "$why"
}

# The type of the credentials out of `aws configure list`: columns, or parted by colons since 2.30.
type_of_credentials() {
  while read -r name one two three rest; do
    [ "$name" = access_key ] || continue
    case "$one $two" in
      '<not set>' | ': <not') echo none ;;
      ': '*) echo "${rest%% *}" ;;
      *) echo "$two" ;;
    esac
  done <"$HOME/out"
}

for name in AWS_ACCESS_KEY_ID AWS_ROLE_ARN AWS_WEB_IDENTITY_TOKEN_FILE \
  AWS_CONTAINER_CREDENTIALS_FULL_URI AWS_CONTAINER_CREDENTIALS_RELATIVE_URI; do
  eval "[ -z \"\${$name-}\" ]" || say variable "$name"
done

if run configure list; then say provider "$(type_of_credentials)"; else say no provider: "$(fault)"; fi

if run sts get-caller-identity --query Arn --output text; then
  read -r arn <"$HOME/out"
  say identity "$arn"
else
  say no identity: "$(fault)"
  # Whether it is too old for what the pod was given. The first versions said it on standard error.
  aws --version </dev/null >"$HOME/out" 2>&1
  read -r version rest <"$HOME/out"
  case $version in aws-cli/[0-9]*) say cli "$version" ;; esac
fi

# check NUMBER TEXT WORD…: the command of these words, and whether what it prints holds TEXT.
check() {
  number=$1 text=$2
  shift 2
  if ! run "$@"; then
    say check "$number" failed: "$(fault)"
  elif grep -qF -e "$text" "$HOME/out"; then
    say check "$number" succeeded, with the text
  else
    say check "$number" succeeded, without the text
  fi
}

