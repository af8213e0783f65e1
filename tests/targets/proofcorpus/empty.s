// Lets park.go declare functions without a body.
